module redispeer

go 1.25

require github.com/redis/rueidis v1.0.64
