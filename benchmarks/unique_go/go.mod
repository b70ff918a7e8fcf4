module lido/unique_go

go 1.23
