"""Findings about single columns and pairs: distributions, correlations, the range of the data, latent columns."""

from typing import Final

import numpy as np

from diffeo.bundle.schema.quality import LEVEL, ColumnQuality, Finding, Quality

from .wording import LONGER_FIT, bound, counted, listed, option, p_value, percent

# sqrt(-ln(LEVEL / 2) / 2): the Kolmogorov-Smirnov statistic of n and m rows that reaches the level is
# this times sqrt(1 / n + 1 / m).
CRITICAL: Final = 1.628
SHIFTED: Final = 0.1  # in quartile ranges of the data
WIDER, NARROWER = 1.15, 0.87
LONGER_TAILS, SHORTER_TAILS = 1.2, 0.83
USUALLY_BEYOND: Final = 0.02
SAME_COLUMN: Final = 0.9999


def compared_rows(quality: Quality) -> int:
    """Held-out rows that the checks of columns compared."""
    return min(quality.compared_rows, quality.representative_rows)


def columns(quality: Quality) -> Finding:
    """Columns whose samples have another distribution than held-out rows."""
    rows = compared_rows(quality)
    differing = sorted(
        (column for column in quality.columns if min(column.p_value, column.tails_p_value) < LEVEL),
        key=lambda column: -column.statistic,
    )
    if not differing:
        unseen = min(1.0, CRITICAL * float(np.sqrt(1 / rows + 1 / min(quality.compared_rows, quality.sample_rows))))
        sentence = (
            f"Columns: no difference found between samples and held-out rows in {counted(quality.dimension, 'column')} "
            f"on {counted(rows, 'row')}; a difference in less than {percent(unseen)} of the rows could go unseen."
        )
        return Finding(kind="columns", matched=True, sentence=sentence, advice=None)
    names = listed([f"{column.name!r} ({_difference(column)})" for column in differing])
    sentence = f"Columns: samples differ from held-out rows in {names}, on {counted(rows, 'row')}."
    broken = [column.name for column in differing if column.data_whole and not column.samples_whole]
    if broken:
        advice = f"The data are whole numbers and the samples are not: {option('--integers', broken)}."
    else:
        advice = f"Try {LONGER_FIT}."
    return Finding(kind="columns", matched=False, sentence=sentence, advice=advice)


def _difference(column: ColumnQuality) -> str:
    """The most visible difference of the quantiles in words, with the share of rows that it concerns."""
    amount, found = percent(column.statistic), p_value(min(column.p_value, column.tails_p_value))
    if column.p_value >= LEVEL:
        longer = "longer" if column.beyond > USUALLY_BEYOND else "shorter"
        return f"samples have {longer} tails: {percent(column.beyond)} are where 2 % of the data are; {found}"
    if column.test == "total variation":
        return f"the shares of its values differ by {amount} in all; {found}"
    return f"samples {_shape(column)}; up to {amount} of the rows; {found}"


def _shape(column: ColumnQuality) -> str:
    low, first, middle, third, high = column.data
    sample_low, sample_first, sample_middle, sample_third, sample_high = column.samples
    quartiles, sample_quartiles = third - first, sample_third - sample_first
    if quartiles <= 0 or sample_quartiles <= 0:
        return "have another share of the most frequent value"
    shift, width = (sample_middle - middle) / quartiles, sample_quartiles / quartiles
    tails = ((sample_high - sample_low) / sample_quartiles) / ((high - low) / quartiles)
    if abs(shift) > SHIFTED:
        return f"are shifted {'up' if shift > 0 else 'down'} by {abs(shift):.2g} quartile ranges"
    if not NARROWER < width < WIDER:
        return f"are {'wider' if width > 1 else 'narrower'}: their quartile range is {width:.2g} times as large"
    if not SHORTER_TAILS < tails < LONGER_TAILS:
        return f"have {'longer' if tails > 1 else 'shorter'} tails"
    return "have another shape"


def pairs(quality: Quality) -> Finding:
    """Pairs of columns whose rank correlations differ."""
    rows = compared_rows(quality)
    differing = [pair for pair in quality.pairs if pair.p_value < LEVEL]
    if not differing:
        if quality.pairs_compared:
            sentence = (
                f"Pairs: no difference found in {counted(quality.pairs_compared, 'rank correlation')} on "
                f"{counted(rows, 'row')}."
            )
        else:
            sentence = "Pairs: the table has one column, so there are no correlations to compare."
        return Finding(kind="pairs", matched=True, sentence=sentence, advice=None)
    names = listed(
        [
            f"{pair.first!r} and {pair.second!r} (data {pair.data:.2f}, samples {pair.samples:.2f}; "
            f"{p_value(pair.p_value)})"
            for pair in differing
        ]
    )
    sentence = f"Pairs: the rank correlations of samples differ from those of held-out rows: {names}."
    repeated = [pair.second for pair in differing if abs(pair.data) > SAME_COLUMN]
    if repeated:
        advice = f"A column that follows from another one has no density: {option('--drop', sorted(set(repeated)))}."
    else:
        advice = f"Try {LONGER_FIT}."
    return Finding(kind="pairs", matched=False, sentence=sentence, advice=advice)


def sample_range(quality: Quality) -> Finding:
    """Columns whose samples leave the range of the training rows more often than held-out rows do."""
    leaving = sorted(
        (column for column in quality.columns if column.outside_p_value < LEVEL),
        key=lambda column: -(column.below + column.above),
    )
    share = percent(quality.outside)
    if not leaving:
        sentence = (
            f"Range: {share} of the samples are outside of the range of the training rows in some column; "
            "no difference from held-out rows found."
        )
        return Finding(kind="range", matched=True, sentence=sentence, advice=None)
    names = listed([f"{column.name!r} ({_outside(column)})" for column in leaving])
    sentence = f"Range: {share} of the samples are outside of the range of the training rows: {names}."
    advice = f"If the values cannot leave this range: {option('--bounds', [_bounds(column) for column in leaving])}."
    return Finding(kind="range", matched=False, sentence=sentence, advice=advice)


def _outside(column: ColumnQuality) -> str:
    parts = []
    if column.below > 0:
        parts.append(f"{percent(column.below)} below {column.low:.6g}")
    if column.above > 0:
        parts.append(f"{percent(column.above)} above {column.high:.6g}")
    return ", ".join(parts)


def _bounds(column: ColumnQuality) -> str:
    span = column.high - column.low
    low = bound(column.low, span, is_low=True) if column.below > 0 else ""
    high = bound(column.high, span, is_low=False) if column.above > 0 else ""
    return f"{column.name}={low}:{high}"


def latent(quality: Quality) -> Finding:
    """Columns of z that are not standard normal on held-out rows."""
    rows = compared_rows(quality)
    differing = sorted((each for each in quality.latent if each.p_value < LEVEL), key=lambda each: -each.statistic)
    if not differing:
        sentence = (
            f"Latent rows: no difference from the standard normal found in {counted(quality.dimension, 'column')} of z "
            f"on {counted(rows, 'held-out row')}."
        )
        return Finding(kind="latent", matched=True, sentence=sentence, advice=None)
    names = listed(
        [f"z{each.index} (up to {percent(each.statistic)} of the rows; {p_value(each.p_value)})" for each in differing]
    )
    sentence = f"Latent rows: z of held-out rows is not standard normal in {names}, so log_prob is off in places."
    return Finding(kind="latent", matched=False, sentence=sentence, advice=f"Try {LONGER_FIT}.")
