"""Find the plan file of a digest among the artifacts of this repository's runs (GitHub); apply then compares the file with it.

CHARGEPLAN_DIGEST, the digest that a person saw, and CHARGEPLAN_COMMENT_TOKEN, which may read actions → outputs `artifact`, `run_id`
"""

from __future__ import annotations

import os
from pathlib import Path

from comment import CommentError, api_of_github, run
from document import artifact_name


def main(_: list[str]) -> None:
    """Tell the next step where the file is."""
    digest = os.environ.get("CHARGEPLAN_DIGEST", "").strip()
    try:
        name = artifact_name(digest)
    except ValueError:
        raise CommentError(
            "There is no digest, or it is none: apply posts the plan that a person saw. Copy `sha256:` and what follows from "
            "its page. Nothing was posted."
        ) from None
    path = f"/repos/{os.environ['GITHUB_REPOSITORY']}/actions/artifacts?name={name}"
    kept = [each for each in api_of_github().get(path)["artifacts"] if not each["expired"]]
    if not kept:
        raise CommentError(
            f"No run has kept a plan with the digest {digest}: it is another repository's, or older than the days that plan files "
            "are kept. Plan again, and review that plan. Nothing was posted."
        )
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as outputs:
        outputs.write(f"artifact={name}\nrun_id={int(kept[0]['workflow_run']['id'])}\n")


if __name__ == "__main__":
    run(main)
