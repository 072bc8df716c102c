"""The model that judges: what this installation has learned, else the pack's own. Reads files, decides nothing else."""

from contextlib import suppress
from pathlib import Path

from huying.chassis.errors import ConfigurationError
from huying.county import Pack

from .judgement import Judge, load_model, model_file, rehearse
from .judgement.model import ModelUnreadableError
from .judgement.pack import bits_of

Stamp = tuple[Path, int, int, int]
"""A file and what changes when it is replaced or written: inode, time, size."""


class Models:
    """The files that a model may come from: the first that is there counts."""

    def __init__(self, pack: Pack, learned: Path | None) -> None:
        """`learned` is where `huying learn` writes; the pack's own place when None."""
        own = model_file(pack.path)
        self._pack, self._bits = pack, bits_of(pack)
        self._files = (learned, own) if learned else (own,)
        self._seen: Stamp | None = None
        self.refused: str | None = None
        """Why the file at hand is not the one that judges."""

    def changed(self) -> Path | None:
        """The file that should judge, if it is another than at the last look; costs a look at its directory entry."""
        seen, self._seen = self._seen, self._stamp()
        return self._seen[0] if self._seen and self._seen != seen else None

    def _stamp(self) -> Stamp | None:
        for file in self._files:
            with suppress(OSError):
                stat = file.stat()
                return file, stat.st_ino, stat.st_mtime_ns, stat.st_size
        return None

    def judge(self, file: Path) -> Judge:
        """A judge by this file that has judged two reports already, so that its first true one does not wait.

        Raises:
            ModelUnreadableError: it is no model of this program and pack.
        """
        model = load_model(file)
        strange = sorted(set(model.text.matter_codes) - {matter.code for matter in self._pack.matters})
        if strange:
            raise ModelUnreadableError(
                f"{str(file)!r} knows headings that the pack has not ({', '.join(strange)}); learn again under this pack"
            )
        judge = Judge(self._bits, model)
        try:
            rehearse(judge)
        except Exception as error:
            raise ModelUnreadableError(f"{str(file)!r} cannot judge ({type(error).__name__}: {error})") from error
        return judge

    def first(self) -> Judge:
        """The judge to start with: a learned model that cannot be used does not keep the county from its service.

        Raises:
            ConfigurationError: no file can be used.
        """
        self.changed()
        refused = []
        for file in self._files:
            if file.exists():
                try:
                    judge = self.judge(file)
                except ModelUnreadableError as error:
                    refused.append(str(error))
                else:
                    self.refused = refused[0] if refused else None
                    return judge
        raise ConfigurationError(
            f"no judgement model: {'; '.join(refused) or f'nothing at {str(self._files[-1])!r}'}; "
            "make one with `huying learn --from FILE...`"
        )
