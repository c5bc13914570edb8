"""GET /metrics as Prometheus reads it."""

from prometheus_client.parser import text_string_to_metric_families


class Scrape:
    """The samples of one answer, by name and labels."""

    def __init__(self, text: str) -> None:
        self.samples = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    @property
    def names(self) -> set[str]:
        return {name for name, _ in self.samples}

    def of(self, name: str, **labels: str) -> float:
        """The sum of all samples of a name that have these labels."""
        found = ((dict(given), value) for (each, given), value in self.samples.items() if each == name)
        return sum(value for given, value in found if labels.items() <= given.items())

    def moved(self, earlier: "Scrape") -> set[str]:
        """The names of samples that are not what they were."""
        return {name for (name, labels), value in self.samples.items() if earlier.samples.get((name, labels)) != value}

    def fallen(self, earlier: "Scrape") -> set[str]:
        """The names of samples that are gone, or less than they were."""
        return {key[0] for key, value in earlier.samples.items() if self.samples.get(key, -1) < value}
