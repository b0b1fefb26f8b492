"""Candidates for a system that ranks by itself: `python docs/examples/candidates.py USER`.

Asks for what may stand on the user's page, the likeliest first, and for the vectors to rank them
with; shows that a candidate's score is the product of the user's vector with its own.
"""

import argparse
import sys

import grpc

from pagecast.v1 import events_pb2, prediction_pb2, prediction_pb2_grpc

SECONDS_MAX = 2.0
CANDIDATES = 5


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("user")
    parser.add_argument("--target", default="127.0.0.1:50051")
    arguments = parser.parse_args()
    context = events_pb2.RequestContext(device="tv", country="DE")
    with grpc.insecure_channel(arguments.target) as channel:
        stub = prediction_pb2_grpc.PredictionServiceStub(channel)
        try:
            found = stub.RetrieveEntities(
                prediction_pb2.RetrieveEntitiesRequest(
                    user_id=arguments.user, context=context, top_n=CANDIDATES
                ),
                timeout=SECONDS_MAX,
            )
            user = stub.EmbedUser(
                prediction_pb2.EmbedUserRequest(user_id=arguments.user, context=context),
                timeout=SECONDS_MAX,
            )
            entities = stub.EmbedEntities(
                prediction_pb2.EmbedEntitiesRequest(
                    entity_ids=[candidate.entity_id for candidate in found.entities]
                ),
                timeout=SECONDS_MAX,
            )
        except grpc.RpcError as error:
            print(f"{error.code().name}: {error.details()}", file=sys.stderr)
            return 1
    if len({found.model_version, user.model_version, entities.model_version}) > 1:
        print("a model was swapped in between: ask again", file=sys.stderr)
        return 1
    print(f"{len(found.entities)} of {found.eligible_entities} that may stand")
    for candidate, entity in zip(found.entities, entities.embeddings, strict=True):
        product = sum(a * b for a, b in zip(user.vector, entity.output, strict=True))
        print(f"{candidate.title}: score {candidate.score:.3f}, product {product:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
