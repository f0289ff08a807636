"""pulsar_witness.py URL produce|consume TOPIC COUNT [--ca FILE --token FILE]: Pulsar's own Python client, as a witness.

produce writes COUNT messages in each of {none, LZ4, ZSTD} × {single, batch} × {key, none}; consume reads COUNT messages from the
beginning and writes a line for each: key, body and properties, with tabs between them."""

import argparse
import sys

import pulsar

COMPRESSION = {"none": pulsar.CompressionType.NONE, "lz4": pulsar.CompressionType.LZ4, "zstd": pulsar.CompressionType.ZSTD}


def produce(client, topic: str, count: int) -> None:
    for name, compression in COMPRESSION.items():
        for batching in (False, True):
            for key in (None, "chave-é"):
                producer = client.create_producer(topic, compression_type=compression, batching_enabled=batching,
                                                  batching_max_publish_delay_ms=20)
                case = f"{name} {'batch' if batching else 'single'} {'key' if key else 'none'}"
                for n in range(count):
                    more = {"partition_key": key} if key else {}
                    producer.send_async(f"{case} {n} ação".encode(), lambda result, _: None,
                                        properties={"case": case, "n": str(n)}, **more)
                producer.flush()
                producer.close()


def consume(client, topic: str, count: int) -> None:
    consumer = client.subscribe(topic, "python", initial_position=pulsar.InitialPosition.Earliest)
    for _ in range(count):
        message = consumer.receive(timeout_millis=180_000)
        properties = ",".join(f"{name}={value}" for name, value in sorted(message.properties().items()))
        print(message.partition_key(), message.data().decode(), properties, sep="\t")
        consumer.acknowledge(message)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("what", choices=("produce", "consume"))
    parser.add_argument("topic")
    parser.add_argument("count", type=int)
    parser.add_argument("--ca")
    parser.add_argument("--token")
    options = parser.parse_args()
    secure = {}
    if options.ca:
        token = open(options.token, encoding="ascii").read()
        secure = {"tls_trust_certs_file_path": options.ca, "tls_validate_hostname": True,
                  "authentication": pulsar.AuthenticationToken(token)}
    client = pulsar.Client(options.url, logger=pulsar.ConsoleLogger(pulsar.LoggerLevel.Error), **secure)
    {"produce": produce, "consume": consume}[options.what](client, options.topic, options.count)
    sys.stdout.flush()
    client.close()


main()
