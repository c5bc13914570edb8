"""Parses the text of GET /metrics as Prometheus does."""

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of one response, by name and labels."""

    def __init__(self, text: str) -> None:
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        """The names of all samples."""
        return {name for name, _ in self.samples}

    def of(self, name: str, **labels: str) -> float:
        """The sum of all samples that have this name and these labels."""
        found = ((dict(given), value) for (each, given), value in self.samples.items() if each == name)
        return sum(value for given, value in found if labels.items() <= given.items())

    def changed_since(self, earlier: "Scrape") -> set[str]:
        """The names of samples that are new or have another value than in an earlier scrape."""
        return {name for (name, labels), value in self.samples.items() if earlier.samples.get((name, labels)) != value}

    def decreased_since(self, earlier: "Scrape") -> set[str]:
        """The names of samples that are missing or smaller than in an earlier scrape."""
        return {key[0] for key, value in earlier.samples.items() if self.samples.get(key, -1) < value}
