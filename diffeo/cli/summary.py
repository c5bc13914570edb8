"""Summarises the metadata of a model in a few lines for a terminal, from the JSON of a manifest or of a service."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

# JSON as `diffeo inspect --json` prints it. A client without pydantic has no other form of it.
Content = Mapping[str, Any]

# Names of columns on one line; a table of hundreds of columns must not fill the terminal.
MOST_COLUMNS: Final = 12
WIDTH: Final = 12


def lines(content: Content) -> Iterator[str]:
    """The lines of the summary; what an old bundle does not hold is left out.

    >>> list(lines({"columns": ["height", "weight"], "dtype": "float32"}))
    ['columns     2: height, weight']
    """
    columns = content.get("columns") or ()
    kinds = content.get("kinds") or {}
    if columns:
        yield line("columns", f"{len(columns)}: {_columns(columns, kinds)}")
    provenance = content.get("provenance")
    quality = content.get("quality")
    if quality:
        yield from _quality(quality)
    elif provenance:
        yield line("loss", f"{provenance['test_nll']:.4f} nats a row on {provenance['test_rows']:,} held-out rows")
    if provenance and provenance.get("kl_to_truth") is not None:
        yield line("truth", f"KL(truth || model) {provenance['kl_to_truth']:.4f} nats")
    if content.get("certificate"):
        yield line("certificate", certificate(content["certificate"]))
    for name, variant in (content.get("variants") or {}).items():
        yield line(name, certificate(variant["certificate"]))
    if provenance:
        yield from _provenance(provenance)


def _columns(columns: Sequence[str], kinds: Mapping[str, Content]) -> str:
    shown = [f"{name} ({_kind(kinds[name])})" if name in kinds else name for name in columns[:MOST_COLUMNS]]
    more = len(columns) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _kind(kind: Content) -> str:
    """The properties of a kind that are set, in words."""
    words = []
    for key, value in kind.items():
        if value is True:
            words.append(key)
        elif isinstance(value, list | tuple):
            words += [f"{len(value)} {key}"] if value else []
        elif value is not None and value is not False:
            words.append(f"{key} {value:.6g}" if isinstance(value, float) else f"{key} {value}")
    return ", ".join(words)


def _quality(quality: Content) -> Iterator[str]:
    model = quality["model"]
    rows = f"{quality['held_out_rows']:,} held-out rows"
    yield line("loss", f"{model['nll']:.4f} ± {model['standard_error']:.4f} nats a row on {rows}")
    for baseline in quality["baselines"]:
        lead = f"this model leads by {baseline['lead']:.4f} ± {baseline['lead_standard_error']:.4f}"
        yield line("", f"{baseline['nll']:.4f} ± {baseline['standard_error']:.4f} for {_baseline(baseline)}; {lead}")
    matched = [finding for finding in quality["findings"] if finding["matched"]]
    failed = [finding for finding in quality["findings"] if not finding["matched"]]
    yield line("data", f"{len(matched)} of {len(quality['findings'])} checks against the data hold")
    said = set()
    for finding in failed:
        yield line("", finding["sentence"])
        if finding["advice"] and finding["advice"] not in said:
            yield line("", finding["advice"])
            said.add(finding["advice"])


def _baseline(baseline: Content) -> str:
    if baseline["name"] == "gaussian":
        return "one Gaussian"
    number = baseline["components"]
    return f"the best mixture, of {number} Gaussian{'' if number == 1 else 's'}"


def certificate(content: Content) -> str:
    """The certificate in one line.

    >>> certificate({"checks": [{"name": "parity", "value": 2e-5, "tolerance": 1e-4}]})
    '1 of 1 checks of the graphs hold; parity 2.0e-05'
    """
    checks = content["checks"]
    failed = [check for check in checks if check["value"] > check["tolerance"]]
    text = f"{len(checks) - len(failed)} of {len(checks)} checks of the graphs hold"
    # The check nearest to its tolerance says most.
    shown = failed or [check for check in checks if check["name"] in {"parity", "delta_log_prob_mean"}]
    return "; ".join([text, *(f"{check['name']} {check['value']:.1e}" for check in shown)])


def _provenance(provenance: Content) -> Iterator[str]:
    source = provenance["recipe"].get("data.file") or provenance["recipe"].get("data.target")
    rows = f"{provenance['data_rows']:,} rows"
    yield line("fitted", f"{provenance['created']} to {rows}" + (f" of {source}" if source else ""))
    yield line("made by", ", ".join(f"{name} {number}" for name, number in provenance["versions"].items()))


def line(name: str, text: str) -> str:
    """One line of the summary: a name and what belongs to it."""
    return f"{name:<{WIDTH}}{text}"
