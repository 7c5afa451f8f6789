// Calls of net/http and encoding/json whose arguments and results are logged, by Go's own %v.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Called through variables: not inlined in any release.
var (
	unmarshal    = json.Unmarshal
	marshal      = json.Marshal
	indent       = json.Indent
	newRequest   = http.NewRequestWithContext
	cookie       = (*http.Request).Cookie
	formValue    = (*http.Request).FormValue
	basicAuth    = (*http.Request).BasicAuth
	parseVersion = http.ParseHTTPVersion
	detect       = http.DetectContentType
	parseTime    = http.ParseTime
)

type order struct {
	ID    int
	Items []string
}

func say(name string, values ...any) {
	text := make([]string, len(values))
	for i, v := range values {
		text[i] = fmt.Sprintf("%v", v)
	}
	fmt.Println("want", name, strings.Join(text, "|"))
}

func decode(text string) {
	var o order

	err := unmarshal([]byte(text), &o)
	say("Unmarshal", []byte(text)[:4], len(text), err)
}

func encode(o *order) {
	text, err := marshal(o)
	say("Marshal", len(text), text[:4], err)
}

func request(method, url string) {
	r, err := newRequest(context.Background(), method, url, nil)
	if err != nil {
		say("NewRequestWithContext", method, url, err)
		return
	}
	say("NewRequestWithContext", method, url, nil)
	r.AddCookie(&http.Cookie{Name: "session", Value: "s3"})
	c, err := cookie(r, "session")
	say("Cookie", "session", c.Value, err)
	_, err = cookie(r, "none")
	say("Cookie", "none", "", err)
	say("FormValue", "q", formValue(r, "q"))
	user, password, ok := basicAuth(r)
	say("BasicAuth", r.Method, user, password, ok)
	r.SetBasicAuth("me", "secret")
	user, password, ok = basicAuth(r)
	say("BasicAuth", r.Method, user, password, ok)
}

func main() {
	decode(`{"ID": 7, "Items": ["a", "b"]}`)
	decode(`{"ID": }`)
	decode(`{"ID`)
	encode(&order{1, nil})
	encode(&order{2, []string{"x"}})
	request("GET", "http://localhost/find?q=text")
	request("POST", "http://localhost/")
	request("GET", "http://[bad")
	for _, v := range []string{"HTTP/1.1", "HTTP/x"} {
		major, minor, ok := parseVersion(v)
		say("ParseHTTPVersion", v, major, minor, ok)
	}
	for _, data := range [][]byte{[]byte("<html>"), {0x89, 'P', 'N', 'G', 13, 10, 26, 10}, nil} {
		say("DetectContentType", data, detect(data))
	}
	var out bytes.Buffer
	err := indent(&out, []byte("[1,2]"), ">", "  ")
	say("Indent", []byte("[1,2]"), ">", "  ", err)
	say("ParseTime", "Mon, 02 Jan 2006 15:04:05 GMT", func() any { t, _ := parseTime("Mon, 02 Jan 2006 15:04:05 GMT"); return t.UTC() }())
	fmt.Println("done")
}
