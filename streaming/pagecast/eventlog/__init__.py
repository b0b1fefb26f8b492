"""The seam to Kafka: topics, producer, consumer and an embedded broker."""
