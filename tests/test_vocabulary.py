"""Words that only this project used stay out of code, messages, help and documentation.

`ABSENT` maps each to what to write instead. Not searched: CHANGELOG.md, which names what was renamed; stores, old and
committed, whose keys and columns stay; this file. Keys of grids and stores (`greyscale`, `solarise`, `towers`, the
column `trusted`, the option --calibrate) are no words of prose and match nothing here.
"""

import re

import pytest

from tests.conftest import REPOSITORY

ABSENT = {
    r"foretell|foretold": "predict, predicted",
    r"told apart": "distinguished",
    r"made good": "backfilled",
    r"(take|takes|taken|taking) over(?! \d)": "reused; (of a lease) replaced",
    r"(set|sets) aside|set_aside": "quarantined",
    r"(go|goes|going|gone) on from": "continues, resumes from",
    r"law to quote|\bquoted law|law that is quoted": "selected model",
    r"momentum[ _]cop(y|ies)": "EMA teacher",
    r"two towers|(image|text|image-text) towers?\b": "dual encoder; image encoder, text encoder",
    r"\bdoors?\b": "command, entry point",
    r"\bfaces\b": "public API",
    r"\brooms\b|storage room|want of room": "package; (for lack of) space",
    r"\bhouse\b": "layout",
    r"\bcaged?\b|sql_cage": "sandbox, sandboxed",
    r"\bcommonest\b": "most common",
    r"ends lowest": "has the lowest final error",
    r"\bin words\b(?!\.items|[\])]| if)|in_words": "summary; describe",
    r"reference[ _]level|e_inf level|level of (perfectly )?uniform|uniform embeddings' level": "uniform baseline",
    r"the level (is|falls)|the level e_inf|far from the level": "uniform baseline",
    r"## The alarm|the report's alarm": "representation-collapse detection",
    r"simulated level|the same simulated": "simulated baseline",
    r"(are|is|be|not) trusted": "passed its checks, valid",
    r"images alone|chance alone": "image-only; random baseline",
    r"not seen\b": "held-out",
    r"(largest|least) at an end": "maximum, minimum at the edge of the grid",
    r"law of (a cell|the grid)\b|grid's law\b": "per-cell scaling law, joint scaling law",
    r"is its content": "runs are content-addressed",
    r"\bcontest\b|form_contest": "comparison of forms",
    r"end_test\b|EndTest\b": "backtest",
    r"\bown_code\b": "custom_imports",
    r"no_?chance\b": "forbid_rng, ForbidRandom",
    r"\bkept_runs\b": "saved_weights, continuation, checkpointing",
    r"\bmeasured_later\b": "backfill",
    r"\bstocks\b|(whole|shard)stock\b": "in memory, streaming; InMemoryPairs, StreamingPairs",
    r"\bcell_claims\b": "leases",
    r"\bmarked_page\b": "generated_markdown",
    r"\bworker_watch\b": "tune_callback",
    r"\bresumable_trial\b": "run_executor",
    r"\bone_cell\.py|\bgpu_sharing\b": "local; cuda_mps",
    r"\bkey_pages\b|\bschema_words\b": "reference",
    r"\bstored_spec\b": "spec_serialization",
    r"\bstaged_views\b": "augmentation_pipeline",
    r"\bown_encoders\b|\bown_files\b": "custom_encoders, custom_images",
    r"\bshard_(facts|folder|files|pool|order|table)\b": "metadata, cache_dir, cache, decode_pool, sampler",
    r"\bone_thread\b|\blaw_shapes\b|\bfitted_law\b": "blas_threads, functional_forms, power_law_fit",
    r"\bcell_law\b": "per_cell_fit",
    r"\berror_split\b": "error_decomposition",
    r"\bsmall_batches\b|\bdiagonal_contrasts\b": "mmcr_vs_clip, peak_effects",
    r"\bfrontier_figure\b|\bcomparison_page\b": "compute_frontier_figure, sweep_comparison",
    r"\bhow_it_works\b|\blong_sweeps\b": "architecture, running_sweeps",
    r"\b(usual|lightly)_way\b|\bwhole_runs\b|\bstand_ins\b|\bhard_use\b": "a name of what it holds",
    r"optimis": "optimize",
    r"colour": "color",
    r"normalis": "normalize",
    r"neighbour": "neighbor",
    r"behaviour": "behavior",
    r"\bcentre": "center",
    r"initialis|minimis|maximis|serialis|summaris|\brecognis|\bregularis": "-ize",
    r"labelled|modelled|modelling|cancelled|cancelling": "one l",
    r"\bgrey\b": "gray",
    r"\b(images|pairs|points|rows?|files?|cells?|trials?|steps?|values?|chunks?|FLOPs|cores?|process|processes|laws?|"
    r"panels?|names?|lines?|scalars?|kernels|seconds|labels|writer|color) an? (run|batch|step|cell|second|line|class|"
    r"setting|row|name|objective|sweep|image)\b(?! class\b)": "per",
}
SUFFIXES = {".py", ".md", ".yaml", ".sh", ".toml", ".ipynb", ".json"}
LEFT_OUT = ("tests/stores/", "results/", "CHANGELOG.md", "tests/test_vocabulary.py")
KEYS = {"5 labels a class", "1 labels a class", "labels a class"}  # subjects of measures in stores


def texts() -> dict[str, str]:
    """Every file of the project that people read, by its path."""
    folders = [REPOSITORY / name for name in ("mmcr_core", "sweeps", "analysis", "tests", "docs", "examples")]
    files = [*REPOSITORY.glob("*"), *(file for folder in folders for file in folder.rglob("*"))]
    found = {file.relative_to(REPOSITORY).as_posix(): file for file in files if file.is_file()}
    wanted = {name: file for name, file in found.items() if file.suffix in SUFFIXES or name == "Makefile"}
    return {name: file.read_text() for name, file in wanted.items() if not name.startswith(LEFT_OUT)}


TEXTS = texts()


@pytest.mark.parametrize(("word", "instead"), ABSENT.items(), ids=range(len(ABSENT)))
def test_private_words_are_absent(word, instead):
    found = [
        f"{name}:{text.count(chr(10), 0, match.start()) + 1}: {match[0]!r}; write {instead}"
        for name, text in TEXTS.items()
        for match in re.finditer(re.sub(r" (?!\()", r"\\s+(?:# )?", word), text, re.I)
        if not any(key in text[max(0, match.start() - 4) : match.end() + 2] for key in KEYS)
    ]
    assert found == [], "\n".join(found)
