module udst

go 1.18
