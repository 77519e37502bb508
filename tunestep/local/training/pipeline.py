"""A job from its files to its package: download, train, upload."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from tunestep.aws import Client
from tunestep.local.training import data_files, examples, model, reward_source, starting, supervised
from tunestep.local.training.data_rows import Example
from tunestep.local.training.hyperparameters import REINFORCED, Mapped, map_values
from tunestep.local.training.job import Job
from tunestep.local.training.loop import Event, Recipe, train
from tunestep.local.training.lora import FullWeights, Trainable
from tunestep.local.training.objectives import Objective, Sft
from tunestep.local.training.reinforce import Rewarder
from tunestep.local.training.reinforcement import EXACT, Reinforcement
from tunestep.local.training.report import Report
from tunestep.local.training.starting import Start
from tunestep.local.training.status import StatusFile
from tunestep.local.training.stop import StopSignal
from tunestep.local.training.tracking import Tracker

WRITE_EVERY = 0.25
"""Seconds between two writes of progress and metrics."""


class Pipeline:
    """One job's work. Everything from outside comes in as an argument."""

    def __init__(
        self,
        job: Job,
        *,
        s3: Client,
        service: reward_source.Service,
        status: StatusFile,
        tracker: Tracker,
        stop: StopSignal,
        log: Callable[[str], None],
    ) -> None:
        self._job, self._s3, self._service = job, s3, service
        self._status, self._tracker, self._stop, self._log = status, tracker, stop, log
        self._tokens = 0
        self.report = Report()

    def run(self) -> None:
        """Runs the job to its end and leaves the outcome in the status file.

        Raises:
            TrainingFault: the job fails for a reason its owner can act on.
        """
        mapped = self._mapped()
        self._status.phase("Pending")
        self._open_tracker()
        self._status.phase("Downloading", "Reading the training data")
        data = self._read_data(mapped)
        rewarder = self._rewarder()
        start = self._start_weights(mapped)
        if self._stop.reason():
            self._end(None)
            return
        self._stop.limit(self._job.max_runtime)
        self._status.phase("Training", "Training")
        with self._timed():
            if rewarder:
                trainable = self._reinforce(mapped, data, start, rewarder)
            else:
                trainable = self._train(mapped, data, start)
            self._tracker.flush()
        self._stop.lift()
        if not rewarder:
            self.report.samples = supervised.samples(start, data)
        if self._stop.reason() == "Stopped":
            self._status.phase("Stopping", "Saving what there is")
        self._status.phase("Uploading", "Uploading the model")
        self._end(self._upload(start, trainable))

    def _mapped(self) -> Mapped:
        job = self._job
        mapped = map_values(job.hyperparameters, technique=job.technique, lora=job.lora)
        kind = "LoRA adapters" if job.lora else "all weights"
        self._log(
            f"{job.technique} of {kind}, in place of {job.context.base_model_name or 'the base model'}."
        )
        self._log(
            "This run rehearses the steps and the data on a tiny byte-level model. "
            "It says nothing about what the hub's model will be able to do."
        )
        for line in mapped.statement:
            self._log(f"  {line}")
        self.report.facts |= {
            "technique": job.technique,
            "peft": "LORA" if job.lora else "FULL",
            "hyperparameters": list(mapped.statement),
        }
        return mapped

    def _open_tracker(self) -> None:
        context = self._job.context
        self._tracker.open(
            context.mlflow_experiment_name or self._job.name, context.mlflow_run_name or self._job.name
        )
        self._tracker.params(dict(self._job.hyperparameters))
        if self._tracker.run_id:
            ids = {"experiment_id": self._tracker.experiment_id, "run_id": self._tracker.run_id}
            self._status.update(mlflow=ids)

    def _read_data(self, mapped: Mapped) -> examples.Split:
        job = self._job
        rows = self._channel(job.train)
        validation = self._channel(job.validation).examples if job.validation else None
        data = examples.split(rows.examples, validation, mapped.validation_share, mapped.recipe.seed)
        if rows.total > len(rows.examples):
            self._note(f"{rows.total} rows checked, the first {len(rows.examples)} trained on.")
        for note in examples.cut_notes(data.train):
            self._note(note)
        held = "" if job.validation else " (held out of the training rows)"
        self._log(f"{len(data.train)} training rows, {len(data.validation)} validation rows{held}.")
        self.report.facts["rows"] = {"train": len(data.train), "validation": len(data.validation)}
        return data

    def _channel(self, channel: Mapping[str, Any]) -> data_files.Rows:
        location = data_files.channel_location(channel, lambda: self._service("sagemaker"))
        return data_files.read_rows(self._s3, location, self._job.technique)

    def _start_weights(self, mapped: Mapped) -> Start:
        source = self._job.context.source_model_s3_uri
        start = starting.start(self._job, self._s3, mapped.recipe.seed)
        origin = f"the weights at {source}" if source else "random weights"
        self._log(f"Starting from {origin}: {model.size(start.params)} single weights.")
        self.report.facts |= {"weights": model.size(start.params), "continued_from": source}
        return start

    def _rewarder(self) -> Rewarder | None:
        if self._job.technique not in REINFORCED:
            return None
        found = reward_source.rewarder(self._job, self._service)
        self._note(f"Answers are judged by {found.title}.")
        return found

    def _train(self, mapped: Mapped, data: examples.Split, start: Start) -> Trainable:
        if self._job.technique == "DPO" and not start.continued:
            self._warm_up(
                Sft(examples.exchanges(data.train)), supervised.WARM_UP, start, supervised.WARM_UP_NOTE
            )
        objective = self._objective(mapped, data.train, start)
        validation = self._objective(mapped, data.validation, start) if data.validation else None
        trainable = self._trainable(mapped, start)
        if not self._stop.reason():
            events = train(
                start.params,
                start.config,
                objective=objective,
                trainable=trainable,
                recipe=mapped.recipe,
                validation=validation,
            )
            self._drive(events, mapped.recipe, len(objective))
        return trainable

    def _reinforce(self, mapped: Mapped, data: examples.Split, start: Start, rewarder: Rewarder) -> Trainable:
        if mapped.rollout is None:
            raise ValueError("a reinforcement job has a rollout")
        part = Reinforcement(start.params, start.config, data, rewarder, mapped.recipe.seed)
        if not start.continued:
            objective, recipe, note = part.warm_up()
            self._warm_up(objective, recipe, start, note)
        trainable = self._trainable(mapped, start)
        if self._stop.reason():
            return trainable
        self._log_exact(part.exact_match(), 0, "before")
        try:
            last = self._drive(
                part.events(trainable, mapped.recipe, mapped.rollout), mapped.recipe, len(data.train)
            )
            self._log_exact(part.exact_match(), last, "after")
        finally:
            self.report.facts |= part.facts()
            self.report.samples = part.samples()
            self.report.warnings = part.warnings()
        for warning in self.report.warnings:
            self._log(f"WARNING: {warning}")
        return trainable

    def _log_exact(self, share: float | None, step: int, when: str) -> None:
        if share is None:
            self._note(f"No held-out row has a reference, so there is no exact match {when} training.")
            return
        self._log(f"{EXACT} {when} training: {share:.3f}")
        self._tracker.log(step, {EXACT: share})

    def _drive(self, events: Iterator[Event], recipe: Recipe, rows: int) -> int:
        """Trains step by step until the end, or until the stop signal says so; returns the last step."""
        steps, total, step = recipe.steps_per_epoch(rows), recipe.total_steps(rows), 0
        self._log(f"{total} steps, {steps} an epoch.")
        for event in events:
            step = event.step
            self._on_event(event, steps, epochs=-(-total // steps), total=total)
            if self._stop.reason():
                self._log(f"Ended early after step {step} of {total}.")
                break
        return step

    def _warm_up(self, objective: Sft, recipe: Recipe, start: Start, note: str) -> None:
        """Gives a model made from nothing something to be shifted or rewarded for."""
        self._note(note)
        for event in train(
            start.params,
            start.config,
            objective=objective,
            trainable=FullWeights(start.params),
            recipe=recipe,
        ):
            if self._stop.reason():
                break
            if event.step % 10 == 0:
                self._status.write_if_older(WRITE_EVERY)

    def _objective(self, mapped: Mapped, rows: list[Example], start: Start) -> Objective:
        return supervised.objective(
            self._job.technique, mapped, rows, start, lambda: self._stop.reason() is None
        )

    def _trainable(self, mapped: Mapped, start: Start) -> Trainable:
        wide = supervised.is_wide(self._job, start)
        if wide:
            self._note("Embeddings and norms made from nothing are trained beside the adapters.")
        return supervised.trainable(self._job, mapped, start, wide=wide)

    def _on_event(self, event: Event, steps: int, epochs: int, total: int) -> None:
        self.report.add(event)
        self._tracker.log(event.step, event.metrics)
        self._tokens += event.tokens
        self._status.update(
            progress={
                "CurrentStep": event.in_epoch,
                "TotalStepCountPerEpoch": steps,
                "CurrentEpoch": event.epoch,
                "MaxEpoch": epochs,
            },
            billable_tokens=self._tokens,
        )
        if event.epoch_end or event.step == 1 or event.step % -(-total // 20) == 0:
            shown = " ".join(f"{name}={value:.4g}" for name, value in event.metrics.items())
            self._log(f"epoch {event.epoch} step {event.step}/{total} {shown}")
        if self._status.write_if_older(WRITE_EVERY):
            self._tracker.flush()

    def _upload(self, start: Start, trainable: Trainable) -> str:
        starting.upload(self._job, self._s3, start, trainable, self.report.document())
        self._log(f"Model at {self._job.model_location}")
        return str(self._job.model_location)

    def _end(self, model_uri: str | None) -> None:
        reason = self._stop.reason()
        self.close("KILLED" if reason else "FINISHED")
        if model_uri:
            self._status.update(model_s3_uri=model_uri)
        if reason:
            self._status.phase(reason, status="Stopped")
        else:
            self._status.phase("Completed", status="Completed")

    def close(self, outcome: str) -> None:
        """Ends the MLflow run as ``outcome`` and puts the report into the status document."""
        self._tracker.close(outcome)
        for note in self._tracker.notes:
            self._note(note)
        self._status.update(report=self.report.document())

    def _note(self, line: str) -> None:
        self._log(line)
        self.report.notes.append(line)

    @contextmanager
    def _timed(self) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        self.report.facts["training_seconds"] = round(time.perf_counter() - begin, 2)
