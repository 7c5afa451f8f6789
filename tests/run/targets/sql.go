// Runs statements by database/sql with a driver of its own: sql N.
package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

type drv struct{}
type conn struct{}
type stmt struct{ query string }
type tx struct{}
type rows struct{ left int }

func (drv) Open(string) (driver.Conn, error)               { return &conn{}, nil }
func (*conn) Prepare(q string) (driver.Stmt, error)        { return &stmt{q}, nil }
func (*conn) Close() error                                 { return nil }
func (*conn) Begin() (driver.Tx, error)                    { return tx{}, nil }
func (tx) Commit() error                                   { return nil }
func (tx) Rollback() error                                 { return nil }
func (*stmt) Close() error                                 { return nil }
func (*stmt) NumInput() int                                { return -1 }
func (s *stmt) Exec([]driver.Value) (driver.Result, error) { return result(s.query) }
func (s *stmt) Query([]driver.Value) (driver.Rows, error)  { return &rows{2}, nil }
func (*rows) Columns() []string                            { return []string{"n"} }
func (*rows) Close() error                                 { return nil }
func (r *rows) Next(dest []driver.Value) error {
	if r.left == 0 {
		return io.EOF
	}
	r.left--
	dest[0] = int64(r.left)
	return nil
}

func (*conn) ExecContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Result, error) {
	return result(q)
}

func (*conn) QueryContext(_ context.Context, q string, _ []driver.NamedValue) (driver.Rows, error) {
	time.Sleep(time.Millisecond)
	return &rows{2}, nil
}

func result(q string) (driver.Result, error) {
	if strings.Contains(q, "broken") {
		return nil, errors.New("syntax error")
	}
	return driver.RowsAffected(1), nil
}

func main() {
	n, _ := strconv.Atoi(os.Args[1])
	sql.Register("own", drv{})
	db, _ := sql.Open("own", "")
	db.SetMaxOpenConns(1)
	prepared, err := db.Prepare("UPDATE prices SET cents = ?")
	if err != nil {
		panic(err)
	}
	for i := 0; i < n; i++ {
		db.Exec("INSERT INTO orders VALUES (?)", i)
		db.Exec("broken " + strconv.Itoa(i))
		if r, err := db.Query("SELECT n FROM orders WHERE id = ?", i); err == nil {
			for r.Next() {
			}
		}
		prepared.Exec(i)
		if t, err := db.Begin(); err == nil {
			t.Exec("DELETE FROM orders")
			if i%2 == 0 {
				t.Commit()
			} else {
				t.Rollback()
			}
		}
	}
	fmt.Println("done", n)
}
