"""A subclass for a cell of one's own: a recording in, a calibrated answer with its doubts out."""

from __future__ import annotations

import sys
from types import ModuleType


class _Callable(ModuleType):
    """This room, which can be called too: ``patchtype.classify(path)`` is `patchtype.classify.answer.classify`."""

    def __call__(self, path, *args, **options):
        from patchtype.classify.answer import classify

        return classify(path, *args, **options)


sys.modules[__name__].__class__ = _Callable
