module witness

go 1.25

require github.com/apache/pulsar-client-go v0.19.0
