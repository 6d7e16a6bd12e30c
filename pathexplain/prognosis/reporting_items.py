"""What a reporting guideline asks, and which module answers: the two lists in our own words.

Not for the answers (`remark`, `tripod`). The wording is ours; read the guidelines for theirs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["REMARK", "TRIPOD_AI", "Asked", "ReportingItem", "Status", "filled"]

Status = Literal["filled", "partly", "for you to add"]


@dataclass(frozen=True)
class Asked:
    """One item of a guideline: its number, section and what it asks for."""

    number: str
    section: str
    asks: str


@dataclass(frozen=True)
class ReportingItem:
    """One answered item: `text` is what the analysis can say, `missing` what only you know."""

    number: str
    section: str
    asks: str
    status: Status
    text: str
    missing: str


def filled(asked: Asked, text: str, missing: str = "") -> ReportingItem:
    """Answer an item; it is filled when nothing is missing, for you to add when there is no text.

    Examples
    --------
    >>> filled(Asked("1", "Introduction", "aims"), "", "State the aims.").status
    'for you to add'
    """
    status: Status = "filled" if not missing else "partly" if text else "for you to add"
    return ReportingItem(asked.number, asked.section, asked.asks, status, text, missing)


REMARK: tuple[Asked, ...] = tuple(
    Asked(*item)
    for item in (
        ("1", "Introduction", "The biomarkers studied, the aims and any hypothesis set beforehand"),
        (
            "2",
            "Patients",
            "Source and characteristics of the patients, who could enter and who not",
        ),
        ("3", "Patients", "Treatments and how they were chosen"),
        ("4", "Specimens", "What tissue was used, how it was fixed, stored and controlled"),
        (
            "5",
            "Assay",
            "How the biomarkers were measured: protocol, quality, repeatability, blinding",
        ),
        ("6", "Design", "How cases were chosen, over which period; end and median of follow-up"),
        ("7", "Design", "The endpoints, defined"),
        ("8", "Design", "Every candidate variable that was considered"),
        ("9", "Design", "Why this sample size; what effect it could show"),
        ("10", "Statistics", "All methods: selection of variables, assumptions, missing data"),
        ("11", "Statistics", "How biomarker values entered; how any cut-point was found"),
        ("12", "Data", "Flow of patients with reasons for leaving; numbers and events"),
        ("13", "Data", "Distributions of clinical variables and biomarkers, with missing values"),
        ("14", "Results", "How the biomarkers relate to standard prognostic variables"),
        ("15", "Results", "Each biomarker alone against outcome, with an effect and its interval"),
        ("16", "Results", "Multivariable analyses: effects with intervals for all variables"),
        ("17", "Results", "The biomarkers beside the standard variables whatever their p"),
        ("18", "Results", "Further looks: assumptions, sensitivity, internal validation"),
        ("19", "Discussion", "What it means against the hypotheses and other studies; limits"),
        ("20", "Discussion", "What should follow: research, clinical value"),
    )
)
"""McShane et al. (2005) doi 10.1038/sj.bjc.6602678.

Explained by Altman et al. (2012) doi 10.1186/1741-7015-10-51.
"""

TRIPOD_AI: tuple[Asked, ...] = tuple(
    Asked(*item)
    for item in (
        ("1", "Title", "That a prediction model is developed or evaluated, for whom, for what"),
        ("2", "Abstract", "The items of TRIPOD+AI for abstracts"),
        ("3a", "Background", "The clinical setting and why a model is wanted"),
        ("3b", "Background", "The target population, purpose and users of the model"),
        ("3c", "Background", "Known inequalities in health between groups"),
        ("4", "Objectives", "Whether a model is developed, evaluated or both"),
        ("5a", "Data", "Where the data come from, for development and for evaluation"),
        ("5b", "Data", "Dates: start and end of enrolment and of follow-up"),
        ("6a", "Participants", "Setting, number and place of the centers"),
        ("6b", "Participants", "Who could enter"),
        ("6c", "Participants", "Treatments and how they were handled"),
        ("7", "Data preparation", "Pre-processing and quality checks, alike between groups"),
        ("8a", "Outcome", "The outcome and horizon, how assessed"),
        ("8b", "Outcome", "Who assessed it, where judgment was needed"),
        ("8c", "Outcome", "Blinding of the assessment"),
        ("9a", "Predictors", "How the initial predictors were chosen"),
        ("9b", "Predictors", "How and when each predictor was measured"),
        ("9c", "Predictors", "Who judged predictors, where judgment was needed"),
        ("10", "Sample size", "How the size was arrived at"),
        ("11", "Missing data", "How missing values were handled"),
        ("12a", "Analysis", "How the data were used: partitions, resampling"),
        ("12b", "Analysis", "How predictors entered: form, scale"),
        ("12c", "Analysis", "Type of model, steps, hyperparameters, internal validation"),
        ("12d", "Analysis", "How differences between clusters (sites) were handled"),
        ("12e", "Analysis", "The measures of performance and why"),
        ("12f", "Analysis", "Any updating of the model"),
        ("12g", "Analysis", "How predictions were calculated in evaluation"),
        ("13", "Class imbalance", "Whether imbalance was handled, and what followed"),
        ("14", "Fairness", "What was done for fairness, and why"),
        ("15", "Output", "What the model gives out; thresholds"),
        ("16", "Training versus evaluation", "Differences between both sets of data"),
        ("17", "Ethics", "Approval and consent"),
        ("18a", "Open science", "Funding"),
        ("18b", "Open science", "Conflicts of interest"),
        ("18c", "Open science", "Protocol"),
        ("18d", "Open science", "Registration"),
        ("18e", "Open science", "Where the data can be had"),
        ("18f", "Open science", "Where the code can be had"),
        ("19", "Patients and public", "How they were involved"),
        ("20a", "Participants", "Flow of participants, with and without the outcome"),
        ("20b", "Participants", "Characteristics, by center where there are several"),
        ("20c", "Participants", "Development compared with evaluation data"),
        ("21", "Development", "Participants and events in each analysis"),
        ("22", "Specification", "The full model, so that others can predict with it"),
        ("23a", "Performance", "Performance with intervals, also in key subgroups"),
        ("23b", "Performance", "How performance differs between clusters"),
        ("24", "Updating", "Results of any updating"),
        ("25", "Interpretation", "What it means, fairness included"),
        ("26", "Limitations", "Limits of the study"),
        ("27a", "Usability", "What to do with poor or missing input"),
        ("27b", "Usability", "What users must do or know"),
        ("27c", "Usability", "Next steps"),
    )
)
"""TRIPOD+AI: Collins et al. (2024) doi 10.1136/bmj-2023-078378."""
