"""Failures that an operator can mend: told in one line, without a traceback."""


class TellTheOperator(Exception):
    """An expected failure of running Daybook. Its text is the sentence for the operator."""

    @property
    def operator_message(self) -> str:
        """The sentence."""
        return str(self)
