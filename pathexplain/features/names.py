"""The grammar of feature names: ``{subject}.{family}.{feature}.{statistic}``.

A subject is a prompt ("lymphocyte"), a prompt towards another ("lymphocyte-tumor"), or a prompt in
a place ("lymphocyte@tumor", "lymphocyte@tumor-stroma~100um").
"""

from __future__ import annotations

from dataclasses import dataclass

from pathexplain.errors import FeatureError

__all__ = ["FeatureName"]

_PARTS = 4


@dataclass(frozen=True)
class FeatureName:
    """A feature of a slide or patient, taken apart.

    Examples
    --------
    >>> name = FeatureName.parse("lymphocyte@tumor-stroma~100um.shape.area_um2.median")
    >>> name.prompt, name.place, name.other, name.family
    ('lymphocyte', 'tumor-stroma~100um', '', 'shape')
    >>> FeatureName.parse("lymphocyte-tumor.context.distance_um.p10").other
    'tumor'
    """

    subject: str
    family: str
    feature: str
    statistic: str

    @classmethod
    def parse(cls, name: str) -> FeatureName:
        """Take a name apart.

        Raises
        ------
        FeatureError
            The name has not four parts.
        """
        parts = name.split(".")
        if len(parts) != _PARTS or not all(parts):
            message = f"{name!r} is not {{subject}}.{{family}}.{{feature}}.{{statistic}}"
            raise FeatureError(message)
        return cls(*parts)

    @property
    def place(self) -> str:
        """Place of the subject; empty for one without."""
        return self.subject.partition("@")[2]

    @property
    def prompt(self) -> str:
        """Prompt whose objects are measured."""
        return self.subject.partition("@")[0].partition("-")[0]

    @property
    def other(self) -> str:
        """Prompt towards which they are measured; empty where there is none."""
        return "" if self.place else self.subject.partition("-")[2]

    def sibling(self, feature: str, statistic: str = "total", *, family: str = "") -> str:
        """Name of another feature of the same subject."""
        return f"{self.subject}.{family or self.family}.{feature}.{statistic}"

    def __str__(self) -> str:
        """Return the name in full."""
        return f"{self.subject}.{self.family}.{self.feature}.{self.statistic}"
