"""The probes of a reward function: right answers score high, wrong ones low, batches are answered well."""

import contextlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tunestep.certify import answers, steadiness, timing
from tunestep.certify.answers import FORMS, Form
from tunestep.certify.outcomes import Example, Outcome, Probe, Thresholds, quoted
from tunestep.certify.rows import Question
from tunestep.certify.session import BATCH, Case, OutOfTime, Result, Session, failure

FIRST_ROWS = 8
"""Rows of the first call, which shows whether the function answers at all."""

COLD_START_SECONDS = 30.0
"""A function that may run for longer than this is not called again when its first call was too slow."""

NOT_ANSWERED = "No answer: "
"""Begins what is said of a first call that failed; a broken answer has no such beginning."""

MAX_FORMS = 3
"""Forms in which wrong answers are written: those in which right ones score best."""

MAX_EXAMPLES = 3
"""Worst rows kept for each probe."""

FAILED_SHARE = 0.1
"""More rows without a result than this share make a probe an error, whatever the rest scored."""

NO_ANSWERS = "the rows hold no answer that is known to be right"


NAMES = (
    "answers by the contract",
    "right answers",
    "empty",
    "wrong: another row's answer",
    "wrong, at length",
    "cut off before the answer",
    "two answers, right one first",
    "two answers, right one last",
    "keywords without an answer",
    "the question again",
    "not constant",
    *steadiness.NAMES,
    *timing.NAMES,
)
"""Every probe, in the order of the table."""


class Tried(NamedTuple):
    """What the probes found: the table, the worst rows, and the mean of right answers by form."""

    probes: list[Probe]
    examples: list[Example]
    forms: dict[str, float]


class _Scores(NamedTuple):
    cases: list[Case]
    results: list[Result]

    @property
    def mean(self) -> float:
        """The mean of all rows; one without a result counts as 0."""
        return sum(result.score or 0.0 for result in self.results) / max(1, len(self.results))

    @property
    def failed(self) -> list[Result]:
        return [result for result in self.results if result.failure]


def run(session: Session, questions: Sequence[Question], thresholds: Thresholds) -> Tried:
    """Try the reward. Every probe is in the table, whatever happens; raises TransientFault only."""
    return _Run(session, questions, thresholds).all()


class _Run:
    def __init__(self, session: Session, questions: Sequence[Question], thresholds: Thresholds) -> None:
        self._session, self._thresholds = session, thresholds
        self._questions = list(questions)
        self._known = answers.known(questions)
        self._prose = answers.is_prose(self._known)
        self._probes: dict[str, Probe] = {}
        self._examples: list[Example] = []
        self._forms: dict[str, float] = {}
        self._seen: list[float] = []

    def all(self) -> Tried:
        why = "the time for certification is used up"
        with contextlib.suppress(OutOfTime):
            why = self._steps() or why
        for name in NAMES:
            if name not in self._probes:
                self._add(name, "not run", detail=why)
        return Tried([self._probes[name] for name in NAMES], self._examples, self._forms)

    def _steps(self) -> str:
        """Run the probes; why the rest was not run, when the first call shows that it makes no sense."""
        if not self._contract():
            return "the function does not answer by the contract"
        forms = self._gold()
        self._wrong(forms)
        self._constant()
        usual = [Case(question, forms[0].write(question) or answers.EVASION) for question in self._questions]
        self._put(steadiness.repeats(self._session, usual[:BATCH]))
        self._put([steadiness.isolation(self._session, usual[:FIRST_ROWS])])
        self._put(timing.probes(self._session, usual))
        return ""

    def _add(
        self,
        name: str,
        outcome: Outcome,
        *,
        score: float | None = None,
        limit: str = "",
        rows: int = 0,
        detail: str = "",
    ) -> None:
        rounded = None if score is None else round(score, 4)
        self._probes[name] = Probe(
            name=name, outcome=outcome, score=rounded, limit=limit, rows=rows, detail=detail
        )

    def _put(self, probes: Sequence[Probe]) -> None:
        self._probes |= {probe.name: probe for probe in probes}

    def _contract(self) -> bool:
        cases = [
            Case(question, answers.final(question) or answers.EVASION)
            for question in self._questions[:FIRST_ROWS]
        ]
        answered, detail = self._session.batch(cases), ""
        if answered.reply.failure == "timeout" and self._session.function.timeout <= COLD_START_SECONDS:
            # A first call may load what later ones find loaded; whether it did is what a second one shows.
            answered = self._session.batch(cases)
            detail = f"only when called again, in {answered.reply.seconds:.2f} s"
        lost = answered.lost
        if lost is None:
            self._add(NAMES[0], "pass", rows=len(cases), detail=detail)
            return True
        detail = f"{NOT_ANSWERED}{lost.message}" if answered.reply.failure == "error" else lost.message
        self._add(NAMES[0], failure(lost), rows=len(cases), detail=detail)
        return False

    def _gold(self) -> list[Form]:
        """Score right answers in every form; the forms that are read best, the first one always."""
        name = "right answers"
        if not self._known:
            self._add(name, "not run", detail=NO_ANSWERS)
            return [FORMS[0]]
        tried: list[tuple[Form, _Scores]] = []
        for form in FORMS:
            cases = [Case(row, text) for row in self._known if (text := form.write(row))]
            # Only a form that suits all rows can be compared with the others.
            if len(cases) == len(self._known):
                tried.append((form, self._score(cases)))
        if not tried:
            self._add(name, "not run", detail=NO_ANSWERS)
            return [FORMS[0]]
        self._forms = {form.name: round(scores.mean, 4) for form, scores in tried}
        ranked = sorted(tried, key=lambda entry: -entry[1].mean)
        form, best = ranked[0]
        low = self._thresholds.min_gold
        self._judge(
            name,
            best,
            passed=best.mean >= low - steadiness.SAME,
            limit=f"at least {low:g}",
            form=form.name,
            high=False,
        )
        plain = [form for form, scores in ranked if scores.mean >= low and not form.worked]
        return plain[:MAX_FORMS] or [next((form for form, _ in ranked if not form.worked), ranked[0][0])]

    def _wrong(self, forms: Sequence[Form]) -> None:
        """Everything that has to score low."""
        # Where nothing is to be called, whatever calls nothing is right.
        calling = [row for row in self._known if not answers.expects_nothing(row)]
        asking = [row for row in self._questions if not answers.expects_nothing(row)]
        self._low("empty", {"": [Case(question, "") for question in asking]})
        if not self._forms:
            for name in NAMES[3:10]:
                self._add(name, "not run", detail=NO_ANSWERS)
            return
        pairs = [
            (mine, other)
            for mine, other in zip(self._known, answers.others(self._known), strict=True)
            if other is not None
        ]

        def written(compose: Callable[[Form, str, str], str]) -> dict[str, list[Case]]:
            return {form.name: _pairs(form, pairs, compose) for form in forms}

        same = "" if pairs else "every sampled row has the same answer"
        self._low("wrong: another row's answer", written(lambda _, right, wrong: wrong), same)
        self._low("wrong, at length", written(lambda _, right, wrong: answers.SCRATCH + wrong), same)
        self._low(
            "two answers, right one first",
            written(lambda form, right, wrong: f"{right}{form.join}{wrong}"),
            same,
            hedged=True,
        )
        self._low(
            "two answers, right one last",
            written(lambda form, right, wrong: f"{wrong}{form.join}{right}"),
            same,
            hedged=True,
        )
        for name, text in (
            ("cut off before the answer", answers.UNFINISHED),
            ("keywords without an answer", answers.KEYWORDS),
        ):
            self._low(name, {"": [Case(question, text) for question in calling]})
        self._low("the question again", {"": [Case(row, row.text) for row in calling if row.text]})

    def _low(
        self, name: str, by_form: dict[str, list[Case]], unable: str = "", *, hedged: bool = False
    ) -> None:
        scored = {form: self._score(cases) for form, cases in by_form.items() if cases}
        if not scored:
            self._add(name, "not run", detail=unable or "no row that it could be made of")
            return
        form, worst = max(scored.items(), key=lambda entry: entry[1].mean)
        high = self._thresholds.wrong(prose=self._prose, hedged=hedged)
        self._judge(
            name,
            worst,
            passed=worst.mean <= high + steadiness.SAME,
            limit=f"at most {high:g}",
            form=form,
            high=True,
        )

    def _judge(self, name: str, scores: _Scores, *, passed: bool, limit: str, form: str, high: bool) -> None:
        """Add a probe of mean scores, and keep the rows that speak against it."""
        failed = scores.failed
        outcome: Outcome = "pass" if passed else "fail"
        said = [f"form: {form}"] if form else []
        if failed:
            said.append(f"{len(failed)} of {len(scores.results)} rows without a result: {failed[0].message}")
            if not passed or len(failed) > FAILED_SHARE * len(scores.results):
                outcome = failure(failed[0])
        self._add(
            name, outcome, score=scores.mean, limit=limit, rows=len(scores.cases), detail="; ".join(said)
        )
        if outcome != "pass":
            self._keep(name, scores, high=high)

    def _keep(self, name: str, scores: _Scores, *, high: bool) -> None:
        rows = sorted(
            zip(scores.cases, scores.results, strict=True),
            key=lambda row: (not row[1].failure, -(row[1].score or 0.0) if high else row[1].score or 0.0),
        )
        self._examples += [
            Example(
                probe=name,
                question=quoted(case.question.text),
                reference=quoted(case.question.reference),
                response=quoted(case.response),
                score=result.score,
                failure=result.message,
            )
            for case, result in rows[:MAX_EXAMPLES]
        ]

    def _score(self, cases: list[Case]) -> _Scores:
        results = self._session.score(cases)
        self._seen += [result.score for result in results if result.score is not None]
        return _Scores(cases, results)

    def _constant(self) -> None:
        name = "not constant"
        if not self._forms:
            self._add(name, "not run", detail=NO_ANSWERS)
            return
        spread = max(self._seen) - min(self._seen) if self._seen else 0.0
        same = spread <= steadiness.SAME
        detail = "every answer has the same score: nothing can be learnt from it" if same else ""
        self._add(name, "fail" if same else "pass", rows=len(self._seen), detail=detail)


def _pairs(
    form: Form, pairs: Sequence[tuple[Question, Question]], compose: Callable[[Form, str, str], str]
) -> list[Case]:
    cases = []
    for mine, other in pairs:
        right, wrong = form.write(mine), form.write(other)
        if right and wrong:
            cases.append(Case(mine, compose(form, right, wrong)))
    return cases
