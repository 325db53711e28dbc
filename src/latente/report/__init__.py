"""The report of a run: one page that stands alone, and the commands it names.

The page opens with the verdict, since that is what a reader came for; then come the figures, each with a line that says what
it is, the pictures, and what is needed to make the run again. It loads nothing: styles are inline, pictures are SVG in the
page, and there is no script. Its charts are drawn in the page's own ink, so one page serves light and dark.
"""

from .commands import command
from .page import figures, try_next, write

__all__ = ["command", "figures", "try_next", "write"]
