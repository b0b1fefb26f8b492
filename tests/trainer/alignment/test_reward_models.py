"""Reward models: what they learn, how they are judged, what must not move them."""

import dataclasses
import json
import math
import random
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue, TypeAdapter
from trainer.alignment.factories_alignment import untrained
from trainer.alignment.factories_rewarded import (
    GENRES,
    MEMBERS,
    REWARDED,
    TABLE,
    RewardedWorld,
    films_of,
    rewarding_world,
)

from pagecast.trainer.alignment.credit import RewardError
from pagecast.trainer.alignment.entity_facts import EntityFacts
from pagecast.trainer.alignment.learned import RewardModels, train_reward_models
from pagecast.trainer.alignment.logged_rewards import RewardedPage, halves_of, rewarded_pages
from pagecast.trainer.alignment.members import learned_from, member_weights
from pagecast.trainer.alignment.page_reward import train_page_reward
from pagecast.trainer.alignment.preference import train_preference
from pagecast.trainer.alignment.reward_report import judge_preference
from pagecast.trainer.alignment.rollouts import RolloutRow
from pagecast.trainer.data.snapshot import NothingToTrainError


def test_the_preference_model_learns_what_members_like_by_their_history(
    models: RewardModels,
) -> None:
    figures = models.report.preference
    assert figures.auc is not None
    assert figures.auc > 0.75, "of members it has not met"
    assert figures.error < figures.error_of_mean


def test_what_it_says_lies_between_0_and_1(
    models: RewardModels, rewarded_world: RewardedWorld
) -> None:
    every = list(range(GENRES * len(films_of(0))))
    (liked,) = models.preference.predict([rewarded_world[1][0].prompt], [every])
    assert len(liked) == len(every)
    assert ((liked >= 0) & (liked <= 1)).all()


def test_every_page_is_learned_from_or_judges(models: RewardModels) -> None:
    figures = models.report.page
    assert (figures.learned + figures.judged, figures.members) == (MEMBERS, figures.judged)


def test_the_page_reward_model_regresses_what_pages_were_worth(
    rewarded_world: RewardedWorld,
) -> None:
    """Worth is how many comedies are on a page, and one less: pages it has not met."""
    policy, pages = rewarded_world
    draw = random.Random(0)
    rewarded = [
        RewardedPage(
            user_id=page.user_id,
            prompt=page.prompt,
            rows=(RolloutRow(row=0, argument=-1, entities=(film := tuple(some))),),
            rewards={0: sum(n % GENRES == 1 for n in film) - 1.0},
            weight=1.0,
        )
        for page in pages * 2
        for some in [draw.sample(range(36), 4)]
    ]
    config = dataclasses.replace(REWARDED.reward, learning_rate=3e-3)
    model = train_page_reward(EntityFacts(policy), rewarded[:120], config)
    real = [page.reward for page in rewarded[120:]]
    assert np.corrcoef(model.predict(rewarded[120:]), real)[0, 1] > 0.7


def test_the_page_reward_model_is_told_what_is_known_of_entities(
    rewarded_world: RewardedWorld,
) -> None:
    """Worth is how many of a page's entities the member has begun: one look at the facts finds it,
    before the transformer has moved."""
    policy, pages = rewarded_world
    draw = random.Random(1)
    rewarded = []
    for page in pages:
        begun = {policy.catalog.entity_index[step.entity_id] for step in page.prompt.steps}
        film = tuple(draw.sample([*begun, *range(30, 36)], 4))
        rewarded.append(
            RewardedPage(
                user_id=page.user_id,
                prompt=page.prompt,
                rows=(RolloutRow(row=0, argument=-1, entities=film),),
                rewards={0: 2.0 * len(begun & set(film)) + 1.0},
                weight=1.0,
            )
        )
    config = dataclasses.replace(REWARDED.reward, steps_max=1, learning_rate=1e-9)
    model = train_page_reward(EntityFacts(policy), rewarded[:60], config)
    real = [page.reward for page in rewarded[60:]]
    assert np.corrcoef(model.predict(rewarded[60:]), real)[0, 1] > 0.9


def test_the_report_is_json_a_table_and_curves(models: RewardModels) -> None:
    told = json.loads(json.dumps(models.report.to_json(), allow_nan=False))
    TypeAdapter(dict[str, JsonValue]).validate_python(told)
    assert len(told["page"]["calibration"]["bins"]) == 10
    html = models.report.html()
    assert html.count("<svg") == 2
    assert "preference" in html


def test_the_gate_tells_what_it_lets_through(models: RewardModels) -> None:
    assert models.report.gate.seen == 1.0, "more than 0 times as likely is everything"


def test_rewards_say_what_they_count_by(models: RewardModels) -> None:
    assert models.rewards().table == TABLE


def test_nobody_is_on_both_sides(rewarded_world: RewardedWorld) -> None:
    halves = halves_of(rewarded_world[1], rewarded_world[0].catalog, REWARDED, TABLE)
    learned = {page.user_id for page in halves.learned}
    judging = {page.user_id for page in halves.judging}
    assert learned
    assert judging
    assert not learned & judging


def test_pages_whose_window_is_open_wait(rewarded_world: RewardedWorld) -> None:
    """They neither teach that nothing comes of what they show, nor take weight from others."""
    policy, shown = rewarded_world
    config = dataclasses.replace(
        REWARDED, reward=dataclasses.replace(REWARDED.reward, weight_max=1)
    )
    ended = dataclasses.replace(shown[0], closed=True)
    still_open = dataclasses.replace(ended, closed=False)
    (page,) = rewarded_pages([ended, still_open], policy.catalog, config, TABLE)
    assert page.weight == 1.0


def test_another_salt_gives_other_halves() -> None:
    members = [f"u{number}" for number in range(400)]
    one = {m for m in members if learned_from(m, "a")}
    assert 150 < len(one) < 250
    assert one != {m for m in members if learned_from(m, "b")}


@given(st.lists(st.sampled_from("abcde"), min_size=1, max_size=200), st.integers(1, 30))
def test_no_member_weighs_more_than_the_cap(user_ids: list[str], cap: int) -> None:
    weight_N = member_weights(user_ids, cap)
    for user_id in set(user_ids):
        own = weight_N[[other == user_id for other in user_ids]].sum()
        assert own == pytest.approx(min(user_ids.count(user_id), cap))


def test_a_flood_by_one_member_does_not_turn_what_is_learned(tmp_path: Path) -> None:
    """More pages than everybody else's together, all against what comedy lovers like."""
    salt = next(salt for salt in map(str, range(99)) if learned_from("flood", salt))
    data = rewarding_world(tmp_path, members=50, flood=100).dataset()
    policy = untrained(data)

    def auc(weight_max: int) -> float:
        config = dataclasses.replace(REWARDED.reward, salt=salt, weight_max=weight_max)
        align = dataclasses.replace(REWARDED, reward=config)
        halves = halves_of(data.shown.pages, policy.catalog, align, TABLE)
        model = train_preference(EntityFacts(policy), halves.learned, config, TABLE)
        found = judge_preference(model, halves.learned, halves.judging, TABLE).auc
        assert found is not None
        return found

    assert auc(1) > auc(10**9)


def test_a_flood_teaches_no_more_than_its_weight(rewarded_world: RewardedWorld) -> None:
    """The same page by all: 400 of one member, worth nothing, and 20 of others, worth the best. The
    cap makes both sides as heavy, though most batches of all pages would be of the flood alone."""
    policy, shown = rewarded_world
    best = max(TABLE.table.values())
    users = ["flood"] * 400 + [f"u{number}" for number in range(20)]
    pages = [
        RewardedPage(
            user_id=user_id,
            prompt=shown[0].prompt,
            rows=(RolloutRow(row=0, argument=-1, entities=(5,)),),
            rewards={5: 0.0 if user_id == "flood" else best},
            weight=float(weight),
        )
        for user_id, weight in zip(users, member_weights(users, 20), strict=True)
    ]
    config = dataclasses.replace(REWARDED.reward, pages_per_batch=8, learning_rate=3e-3)
    (worth,) = train_page_reward(EntityFacts(policy), pages, config).predict(pages[:1])
    ((liked,),) = train_preference(EntityFacts(policy), pages, config, TABLE).predict(
        [shown[0].prompt], [[5]]
    )
    assert worth == pytest.approx(best / 2, abs=0.1)
    assert liked == pytest.approx(1 / 2, abs=0.05)


def test_a_loss_that_is_no_number_ends_the_training(
    rewarded_world: RewardedWorld,
) -> None:
    halves = halves_of(rewarded_world[1], rewarded_world[0].catalog, REWARDED, TABLE)
    broken = [dataclasses.replace(page, rewards={0: math.nan}) for page in halves.learned]
    with pytest.raises(RewardError, match=r"loss is nan.* lower align\.reward\.learning_rate"):
        train_page_reward(EntityFacts(rewarded_world[0]), broken, REWARDED.reward)
    named = r"loss is nan.* lower align\.reward\.preference_learning_rate"
    with pytest.raises(RewardError, match=named):
        train_preference(EntityFacts(rewarded_world[0]), broken, REWARDED.reward, TABLE)


def test_a_model_that_says_no_number_is_refused(
    models: RewardModels, rewarded_world: RewardedWorld
) -> None:
    pages = halves_of(rewarded_world[1], rewarded_world[0].catalog, REWARDED, TABLE).judging[:3]
    for model, ask in (
        (models.page, lambda: models.page.predict(pages)),
        (models.preference, lambda: models.preference.predict([pages[0].prompt], [[0, 1]])),
    ):
        broken = next(model.parameters())
        kept = broken.detach().clone()
        with torch.no_grad():
            broken.fill_(math.nan)
        with pytest.raises(RewardError, match="no number"):
            ask()
        with torch.no_grad():
            broken.copy_(kept)


def test_a_reward_model_begins_as_the_champion_and_leaves_it_as_it_was(
    rewarded_world: RewardedWorld, models: RewardModels
) -> None:
    policy = rewarded_world[0]
    assert models.page.model is not policy.model
    assert not any(p.grad is not None for p in policy.model.parameters()), (
        "the preference model reads embeddings and moves none"
    )


def test_a_handful_of_pages_is_too_few(rewarded_world: RewardedWorld) -> None:
    with pytest.raises(NothingToTrainError, match=r"something was seen .* at least 20"):
        train_reward_models(rewarded_world[0], rewarded_world[1][:10], REWARDED, TABLE)
