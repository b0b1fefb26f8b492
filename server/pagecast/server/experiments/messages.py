"""Experiments and their reports as messages."""

from pagecast.featurestore.experiments.arm_estimates import ArmEstimate
from pagecast.featurestore.experiments.assignment import Experiment
from pagecast.featurestore.experiments.comparison import Estimate
from pagecast.featurestore.experiments.report import ArmReport, Compared, ExperimentReport
from pagecast.v1 import experiment_pb2


def experiment_message(experiment: Experiment) -> experiment_pb2.Experiment:
    """All but the salt."""
    message = experiment_pb2.Experiment(
        name=experiment.name,
        arms=[experiment_pb2.Arm(alias=arm.alias, share=arm.share) for arm in experiment.arms],
        control=experiment.control,
    )
    message.outcome_window.FromMilliseconds(experiment.outcome_ms)
    message.started_at.FromMilliseconds(experiment.started_at_ms)
    if experiment.stopped_at_ms is not None:
        message.stopped_at.FromMilliseconds(experiment.stopped_at_ms)
    return message


def report_message(report: ExperimentReport) -> experiment_pb2.ExperimentReport:
    ratio = report.sample_ratio
    message = experiment_pb2.ExperimentReport(
        experiment=experiment_message(report.experiment),
        arms=map(_arm, report.arms),
        sample_ratio_evidence=0.0 if ratio is None else ratio.evidence,
        sample_ratio_alarm=ratio is not None and ratio.alarm,
        metrics=map(_compared, report.metrics),
        guardrails=map(_compared, report.guardrails),
        segments=map(_compared, report.segments),
        warnings=report.warnings,
        off_policy=map(_off_policy, report.off_policy),
    )
    if report.began_ms is not None:
        message.began_at.FromMilliseconds(report.began_ms)
    if report.as_of_ms is not None:
        message.as_of.FromMilliseconds(report.as_of_ms)
    return message


def _arm(arm: ArmReport) -> experiment_pb2.ArmReport:
    return experiment_pb2.ArmReport(**vars(arm))


def _compared(one: Compared) -> experiment_pb2.ArmComparison:
    found = one.figures
    return experiment_pb2.ArmComparison(
        metric=one.metric,
        arm=one.arm,
        segment=one.segment,
        control_users=found.control_users,
        treated_users=found.treated_users,
        control_mean=found.control_mean,
        treated_mean=found.treated_mean,
        difference=_estimate(found.difference),
        lift=None if found.lift is None else _estimate(found.lift),
        variance_kept=found.variance_kept,
    )


def _estimate(estimate: Estimate) -> experiment_pb2.Estimate:
    interval = estimate.interval
    if interval is None:
        return experiment_pb2.Estimate(value=estimate.value)
    return experiment_pb2.Estimate(value=estimate.value, low=interval.low, high=interval.high)


def _off_policy(one: ArmEstimate) -> experiment_pb2.OffPolicyEstimate:
    message = experiment_pb2.OffPolicyEstimate(
        drawn_by=one.drawn_by,
        target=one.target,
        target_version=one.target_version,
        why_not=one.why_not,
    )
    if (found := one.found) is not None:
        message.pages, message.effective_pages = found.pages, found.effective
        message.earned = found.earned
        message.warnings.extend(found.warnings)
        for each in found.estimates:
            figure = Estimate(value=each.value, interval=each.interval)
            getattr(message, each.estimator).CopyFrom(_estimate(figure))
    return message
