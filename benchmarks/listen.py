"""Listen to a MIDI file: rendered to WAV with FluidSynth, and measured second by second.

    python benchmarks/listen.py FILE.mid [--soundfont FILE.sf2] [--out FILE.wav] [--json]

It says how long the sound lasts, its peak and its loudness (RMS, both against full scale), and which seconds before the
end are silent. FluidSynth and a soundfont are packages of Debian: apt-get install fluidsynth timgm6mb-soundfont
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import wave
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

FONTS = [Path("/usr/share/sounds/sf2"), Path("/usr/share/soundfonts")]
RATE = 44_100
SILENT = -60.0  # dB below full scale: what is fainter than that is not heard in a room
INSTALL = "apt-get install fluidsynth timgm6mb-soundfont"


@dataclass(frozen=True)
class Sound:
    """What was heard: seconds, and levels in dB against full scale."""

    seconds: float
    peak: float
    rms: float
    loudness: list[float]
    silent: list[int]


def main() -> int:
    """Render, measure, tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, metavar="FILE.mid")
    parser.add_argument("--soundfont", type=Path)
    parser.add_argument("--out", type=Path, help="keep the sound here")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    font = options.soundfont or next((f for folder in FONTS for f in sorted(folder.glob("*.sf[23]"))), None)
    if shutil.which("fluidsynth") is None or font is None:
        print(f"expected fluidsynth and a soundfont, found one or both missing: {INSTALL}")
        return 2
    with tempfile.TemporaryDirectory() as folder:
        path = options.out or Path(folder, "sound.wav")
        render(options.file, font, path)
        sound = measure(path)
    print(json.dumps(asdict(sound)) if options.json else told(sound))
    return 0


def render(midi: Path, font: Path, out: Path) -> None:
    """Write the sound of a MIDI file as 16 bit WAV."""
    if not midi.is_file():
        sys.exit(f"{midi}: expected a MIDI file, found nothing of that name")
    command = ["fluidsynth", "-n", "-i", "-q", "-r", str(RATE), "-O", "s16", "-T", "wav", "-F", str(out)]
    done = subprocess.run([*command, str(font), str(midi)], capture_output=True, text=True, check=False)
    if done.returncode or not out.is_file():
        sys.exit(f"{midi}: fluidsynth did not render it: {done.stderr.strip() or done.stdout.strip()}")


def measure(path: Path) -> Sound:
    """Measure a WAV file of 16 bits."""
    with wave.open(str(path)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2").reshape(-1, channels) / 32_768
    if not len(samples):
        sys.exit(f"{path}: expected sound, found none")
    seconds = [samples[at : at + rate] for at in range(0, len(samples), rate)]
    loudness = [level(np.sqrt(np.mean(second**2))) for second in seconds]
    sounding = [number for number, value in enumerate(loudness) if value > SILENT]
    last = sounding[-1] if sounding else -1
    return Sound(
        seconds=round(len(samples) / rate, 2),
        peak=level(np.abs(samples).max()),
        rms=level(np.sqrt(np.mean(samples**2))),
        loudness=loudness,
        silent=[number for number, value in enumerate(loudness) if value <= SILENT and number <= last],
    )


def level(amplitude: float) -> float:
    """Decibels against full scale, at least -120."""
    return round(float(20 * np.log10(max(amplitude, 1e-6))), 1)


def told(sound: Sound) -> str:
    """The measures as lines of text."""
    silent = ", ".join(map(str, sound.silent)) or "none"
    bars = "\n".join(f"{at:5d} s {db:7.1f} dB {'#' * max(0, round(60 + db))}" for at, db in enumerate(sound.loudness))
    head = f"{sound.seconds} seconds, peak {sound.peak} dB, RMS {sound.rms} dB; silent seconds: {silent}"
    return f"{head}\n{bars}"


if __name__ == "__main__":
    sys.exit(main())
