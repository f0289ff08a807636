// Pulsar's own client of Go, under the same commands as ../pulsar_witness.py:
//
//	witness URL produce|consume TOPIC COUNT [--ca FILE --token FILE]
//
// consume prints each message as "key\tbody\tname=value,…"; produce writes COUNT messages for each
// compression × {single, batch} × {key, none}.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/apache/pulsar-client-go/pulsar"
	"github.com/apache/pulsar-client-go/pulsar/log"
)

const key = "chave-é"

func must[T any](value T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return value
}

func connect(url string, rest []string) pulsar.Client {
	options := pulsar.ClientOptions{
		URL:    url,
		Logger: log.NewLoggerWithSlog(slog.New(slog.NewTextHandler(io.Discard, nil))),
	}
	for i := 0; i+1 < len(rest); i += 2 {
		switch rest[i] {
		case "--ca":
			options.TLSTrustCertsFilePath = rest[i+1]
			options.TLSValidateHostname = true
		case "--token":
			options.Authentication = pulsar.NewAuthenticationTokenFromFile(rest[i+1])
		}
	}
	return must(pulsar.NewClient(options))
}

func produce(client pulsar.Client, topic string, count int) {
	compressions := map[string]pulsar.CompressionType{"none": pulsar.NoCompression, "lz4": pulsar.LZ4, "zstd": pulsar.ZSTD}
	for compression, kind := range compressions {
		for _, way := range []string{"single", "batch"} {
			for _, keyed := range []string{"key", "none"} {
				name := compression + " " + way + " " + keyed
				producer := must(client.CreateProducer(pulsar.ProducerOptions{
					Topic: topic, CompressionType: kind, DisableBatching: way == "single",
					BatchingMaxPublishDelay: 50 * time.Millisecond,
				}))
				for n := 0; n < count; n++ {
					message := &pulsar.ProducerMessage{
						Payload:    []byte(fmt.Sprintf("%s %d ação", name, n)),
						Properties: map[string]string{"case": name, "n": strconv.Itoa(n)},
					}
					if keyed == "key" {
						message.Key = key
					}
					producer.SendAsync(context.Background(), message, func(_ pulsar.MessageID, _ *pulsar.ProducerMessage, err error) {
						must(0, err)
					})
				}
				must(0, producer.Flush())
				producer.Close()
			}
		}
	}
}

func consume(client pulsar.Client, topic string, count int) {
	consumer := must(client.Subscribe(pulsar.ConsumerOptions{
		Topic: topic, SubscriptionName: "go", SubscriptionInitialPosition: pulsar.SubscriptionPositionEarliest,
	}))
	defer consumer.Close()
	within, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	for n := 0; n < count; n++ {
		message := must(consumer.Receive(within))
		var properties []string
		for name, value := range message.Properties() {
			properties = append(properties, name+"="+value)
		}
		sort.Strings(properties)
		fmt.Printf("%s\t%s\t%s\n", message.Key(), message.Payload(), strings.Join(properties, ","))
		must(0, consumer.Ack(message))
	}
}

func main() {
	if len(os.Args) < 5 {
		fmt.Fprintln(os.Stderr, "witness URL produce|consume TOPIC COUNT [--ca FILE --token FILE]")
		os.Exit(2)
	}
	client := connect(os.Args[1], os.Args[5:])
	defer client.Close()
	count := must(strconv.Atoi(os.Args[4]))
	switch os.Args[2] {
	case "produce":
		produce(client, os.Args[3], count)
	case "consume":
		consume(client, os.Args[3], count)
	default:
		fmt.Fprintln(os.Stderr, "produce or consume")
		os.Exit(2)
	}
}
