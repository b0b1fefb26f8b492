"""Steps 4 and 5: a first model from the feature store, tested on what happened next."""

from rich.console import Console

from pagecast.cli.demo.report import QualityReport, Ranked, show_quality
from pagecast.cli.training.bar import training_bar
from pagecast.cli.training.config import train_config
from pagecast.trainer.data.snapshot import Source
from pagecast.trainer.evaluation.protocols.next_slice import Quality, Score
from pagecast.trainer.export.registering import export_and_register
from pagecast.trainer.job import Trained, TrainJob
from pagecast.trainer.train import evaluate_next_slice, fit_snapshot


def learn(console: Console, source: Source, budget_minutes: float | None) -> Trained:
    """Trains on all that the feature store holds."""
    job = TrainJob(source=source, config=train_config(budget_minutes))
    with training_bar(console) as bar:
        trained = fit_snapshot(job, bar)
    console.print(
        f"  {trained.steps:,} steps of {trained.users:,} people, {trained.fit.epochs:.1f} epochs "
        f"in {trained.fit.seconds:.0f} s"
    )
    return trained


def evaluate_on_next_slice(console: Console, source: Source, trained: Trained) -> Quality:
    """Predicts each event of the next slice once, beside the baselines."""
    with console.status("  predicting the next slice, one event after the other"):
        quality = evaluate_next_slice(source, trained)
    console.print(f"  {quality.targets:,} events of {quality.users:,} people, full catalog ranked")
    show_quality(console, quality_report(quality))
    if quality.pagecast.ndcg_at_10 <= quality.popularity.ndcg_at_10:
        # What a model learns depends on the machine and the budget: reported, but no failed check.
        console.print("  [yellow]not above recent popularity: give --budget-minutes more[/]")
    return quality


def publish_model(console: Console, source: Source, trained: Trained, quality: Quality) -> str:
    """Exports the bundle, compares it with torch and registers it; returns its version."""
    with training_bar(console) as bar:
        outcome = export_and_register(source, trained, quality, bar)
    size = sum(file.stat().st_size for file in outcome.bundle.iterdir())
    console.print(
        f"  bundle {outcome.version}, {size / 1024**2:.1f} MiB, answers as torch does; "
        f"in {outcome.bundle}"
    )
    return outcome.version


def quality_report(quality: Quality) -> QualityReport:
    return QualityReport(
        protocol=quality.protocol,
        model=_ranked(quality.pagecast),
        popularity=_ranked(quality.popularity),
        last_item_counter=_ranked(quality.last_item_counter),
    )


def _ranked(score: Score) -> Ranked:
    return Ranked(ndcg_at_10=score.ndcg_at_10, hr_at_10=score.hr_at_10)
