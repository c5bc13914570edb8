"""The schema of `quality`: how well samples and densities of a model match held-out rows of its data.

`diffeo.training.quality` measures it. Shares and p-values are in [0, 1], losses in nats per row. Each adjusted p-value
is multiplied by Holm's factor for the tests of the same kind, so that a perfect model fails a kind of check at level
0.01 in at most one fit of a hundred.
"""

from typing import Annotated, Final, Literal

from pydantic import Field

from .frozen import Frozen

# The level at which a check fails.
LEVEL: Final = 0.01
# Levels of the quantiles that stand side by side.
QUANTILE_LEVELS: Final = (0.01, 0.25, 0.5, 0.75, 0.99)
# A manifest is at most 1 MiB, so of more columns than this only the ones that differ most are kept.
MAX_COLUMNS_KEPT: Final = 256
MAX_PAIRS_KEPT: Final = 16

Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=0)]
ColumnName = Annotated[str, Field(min_length=1, max_length=128)]
Quantiles = Annotated[tuple[float, ...], Field(min_length=len(QUANTILE_LEVELS), max_length=len(QUANTILE_LEVELS))]
Test = Literal["Kolmogorov-Smirnov", "total variation"]
CheckKind = Literal[
    "baselines",
    "columns",
    "pairs",
    "latent",
    "two_sample",
    "range",
    "memorisation",
    "coverage",
    "duplicates",
]


class ModelScore(Frozen):
    """Loss of the model.

    Attributes:
        nll: mean of -log p over the held-out rows.
        standard_error: of the loss.
        rows_without_density: held-out rows that the model gives no finite density; they are not in the mean.
    """

    nll: float
    standard_error: Positive
    rows_without_density: Count


class BaselineScore(Frozen):
    """Loss of a simpler model on the same rows.

    Attributes:
        name: `gaussian`, one with full covariance, or `mixture`, the best one by validation rows.
        components: Gaussians in it.
        nll: its loss.
        standard_error: of its loss.
        lead: its loss minus the loss of the model; positive if the model is better.
        lead_standard_error: of the mean of the differences by row.
    """

    name: Literal["gaussian", "mixture"]
    components: Annotated[int, Field(ge=1)]
    nll: float
    standard_error: Positive
    lead: float
    lead_standard_error: Positive


class ColumnQuality(Frozen):
    """Samples against held-out rows in one column.

    Attributes:
        name: of the column.
        test: `Kolmogorov-Smirnov` for a continuous column, `total variation` (with a chi-squared test) for values
            that repeat.
        statistic: the largest difference of the two distribution functions, or the total variation distance.
        p_value: of the test, adjusted for the number of columns and their tails.
        beyond: share of samples below the 1 % or above the 99 % quantile of the held-out rows; 0.02 is usual.
        tails_p_value: of the test that the tails hold equal shares of both, adjusted likewise.
        data: quantiles of the held-out rows at QUANTILE_LEVELS.
        samples: quantiles of the samples.
        data_whole: every held-out value is a whole number.
        samples_whole: every sampled value is a whole number.
        low: smallest value of the training rows.
        high: largest value of the training rows.
        below: share of samples below `low`.
        above: share of samples above `high`.
        outside_p_value: of the test that samples are outside more often than held-out rows, adjusted.
    """

    name: ColumnName
    test: Test
    statistic: Share
    p_value: Probability
    beyond: Share
    tails_p_value: Probability
    data: Quantiles
    samples: Quantiles
    data_whole: bool
    samples_whole: bool
    low: float
    high: float
    below: Share
    above: Share
    outside_p_value: Probability


class PairQuality(Frozen):
    """Spearman's rank correlation of two columns, of held-out rows and of samples; the p-value is adjusted."""

    first: ColumnName
    second: ColumnName
    data: Annotated[float, Field(ge=-1, le=1)]
    samples: Annotated[float, Field(ge=-1, le=1)]
    p_value: Probability


class LatentQuality(Frozen):
    """z of held-out rows in one column against N(0, 1), which is also the uniformity of PIT = Phi(z).

    Attributes:
        index: column of z, from 0.
        statistic: of Kolmogorov and Smirnov.
        p_value: adjusted for the number of columns.
    """

    index: Count
    statistic: Share
    p_value: Probability


class TwoSample(Frozen):
    """A classifier that tries to tell samples from held-out rows; AUC 0.5 means that it cannot.

    Attributes:
        rows: of each kind.
        auc: area under the curve on rows that the classifier was not trained on.
        p_value: of AUC = 0.5.
    """

    rows: Count
    auc: Share
    p_value: Probability


class Neighbours(Frozen):
    """Distances between rows, in columns of equal spread.

    Attributes:
        queries: samples and held-out rows whose nearest training row was searched, of each kind.
        references: training rows that were searched.
        median_ratio: median distance of samples to the nearest training row, divided by that of held-out rows.
        close: share of samples closer to a training row than 99 % of the held-out rows are.
        close_p_value: of the test that samples are closer than held-out rows; small for a model that memorises.
        stray: share of samples farther from every training row than 99 % of the held-out rows are.
        stray_p_value: of the test that this happens more often to samples than to held-out rows.
        missed: share of held-out rows farther from every sample than 99 % of other samples are.
        missed_p_value: of the test that this happens more often to held-out rows than to samples.
    """

    queries: Count
    references: Count
    median_ratio: Positive
    close: Share
    close_p_value: Probability
    stray: Share
    stray_p_value: Probability
    missed: Share
    missed_p_value: Probability


class Duplicates(Frozen):
    """Shares of rows that repeat an earlier row of the same table; and of held-out rows that are training rows too."""

    train: Share
    held_out: Share
    samples: Share
    held_out_in_train: Share


class Finding(Frozen):
    """The result of one kind of check in words.

    Attributes:
        kind: of the check.
        matched: no difference was found.
        sentence: the result.
        advice: options to try; None if there is nothing to try.
    """

    kind: CheckKind
    matched: bool
    sentence: Annotated[str, Field(max_length=4096)]
    advice: Annotated[str, Field(max_length=4096)] | None


class Quality(Frozen):
    """How well a model matches held-out rows of its data.

    Attributes:
        held_out_rows: rows that neither the fit nor the choice of its weights used.
        representative_rows: held-out rows that the checks compare: of weighted rows a part that follows the weighted
            law, otherwise all.
        sample_rows: rows drawn from the model.
        train_rows: rows of the fit.
        compared_rows: most rows of each kind that a check of columns compares; larger tables are thinned by `seed`.
        seed: of every random choice.
        dimension: columns that were compared; `columns` and `latent` keep at most 256 of them, the worst ones.
        pairs_compared: pairs that were compared; `pairs` keeps the ones that differ most.
        outside: share of samples with at least one column outside of the range of the training rows.
        findings: one for each kind of check.
    """

    held_out_rows: Count
    representative_rows: Count
    sample_rows: Count
    train_rows: Count
    compared_rows: Count
    seed: Count
    dimension: Count
    pairs_compared: Count
    model: ModelScore
    baselines: Annotated[tuple[BaselineScore, ...], Field(max_length=2)]
    columns: Annotated[tuple[ColumnQuality, ...], Field(max_length=MAX_COLUMNS_KEPT)]
    pairs: Annotated[tuple[PairQuality, ...], Field(max_length=MAX_PAIRS_KEPT)]
    latent: Annotated[tuple[LatentQuality, ...], Field(max_length=MAX_COLUMNS_KEPT)]
    outside: Share
    two_sample: TwoSample
    neighbours: Neighbours
    duplicates: Duplicates
    findings: Annotated[tuple[Finding, ...], Field(max_length=16)] = ()
