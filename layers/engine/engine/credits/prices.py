"""What actions cost, in credits."""

from typing import Final

TRANSCRIPTION: Final = 1
