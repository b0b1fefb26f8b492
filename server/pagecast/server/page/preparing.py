"""Steps 3 and 4 of the life of a page: what it is made from, in a thread; takes milliseconds."""

from pagecast.featurestore.prompt.prompt import build_prompt
from pagecast.rules.page_rules import compile_rules
from pagecast.server.carrying_on.carried_on import as_of_its_moment, standing_rows
from pagecast.server.models.serving import Serving
from pagecast.server.page.asked import unknown_candidates
from pagecast.server.page.basis import PageBasis
from pagecast.server.page.facts import facts_of
from pagecast.server.page.part import PagePart, Past
from pagecast.server.page.request import PageRequest
from pagecast.server.page.users import StoreUnavailable, Users


def page_basis(page: PageRequest, serving: Serving, users: Users, part: PagePart) -> PageBasis:
    """All that is found out for a request, as of this moment."""
    # 3. One read brings history and profile; with the request they become the prompt.
    past = _past(page, users, part)
    user = past.user
    page = as_of_its_moment(page, user.history, past.actions)
    prompt = build_prompt(
        user.history,
        user.profile,
        page.half,
        catalog=serving.snapshot,
        steps_max=serving.steps_max,
        context=serving.context,
    )
    # 4. What may stand where: for this user, here and now.
    facts = facts_of(page, user.history, user.profile, serving.snapshot)
    # 8. The rows that stand on a page that is carried on count, and stay.
    before = page.carried_on
    standing = () if before is None else standing_rows(before, serving.snapshot)
    return PageBasis(
        page=page,
        history=user.history,
        prompt=prompt,
        steps_max=serving.steps_max,
        context=serving.context,
        rules=compile_rules(serving.catalog, facts, serving.popular, standing=standing),
        model_version="" if serving.model is None else serving.model.version,
        arm=serving.arm,
        degraded=(*serving.degraded, *past.degraded),
        unknown=unknown_candidates(page.rules, serving.snapshot),
        actions=past.actions,
        reflected=past.reflected,
    )


def _past(page: PageRequest, users: Users, part: PagePart) -> Past:
    # Half of the time is kept for a page without the history, in case it does not come.
    time_max_s = page.clock.remaining_s() / 2
    try:
        user = users.read(page.user_id, time_max_s)
    except StoreUnavailable:
        return part.past_of(None)
    return part.past_of(user)
