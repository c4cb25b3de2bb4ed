"""docs/data-format.md, from shadow.events, with a valid example of each event."""

from __future__ import annotations

import json
from typing import Final

from shadow import events, topology
from shadow.control import Command
from tests.docs_generate.examples import EXAMPLES
from tests.docs_generate.tables import NOTICE, section


def data_format() -> str:
    """docs/data-format.md, from shadow.events, with a valid example of each event."""
    parts = [DATA_FORMAT]
    for name, model in events.EVENTS.items():
        record = model.model_validate(EXAMPLES[name])
        example = json.dumps(json.loads(record.to_json()), indent=2)
        topic = ", ".join(f"`{topic.name}`" for topic in topology.TOPOLOGY if topic.holds == name)
        parts.append(f"{section(f'`{name}` on {topic}', model)}\n```json\n{example}\n```\n")
    parts.append(section(f"Command on `{topology.CONTROL}`", Command))
    kinds = {"Outcome of a sampled (turn, arm)": events.OUTCOME_KINDS, "Failure kinds": events.FAILURE_KINDS}
    kinds |= {"Reasons of shedding": events.SHED_REASONS, "Reasons of expiry": events.EXPIRED_REASONS}
    kinds |= {"Reasons of dead letters": events.BrokenRecordError.REASONS}
    listed = (f"- {title}: {', '.join(f'`{kind}`' for kind in found)}" for title, found in kinds.items())
    return "\n".join([*parts, "## Closed sets\n", *listed, ""])


DATA_FORMAT: Final = f"""# Data format
{NOTICE}
One JSON object per Kafka record, keyed by `conversation_id`, UTF-8. `shadow schema` prints the JSON Schema.

- A reader takes any minor version of its own major: fields that it does not know are dropped. Another major is a dead
  letter.
- **Ids** are 1-200 of `A-Z a-z 0-9 _ . : # @ + = ~ / -`, begin with a letter, a digit or `_`, and hold no `..`.
- `turn_id` names a turn for ever. `(turn_id, arm, arm_revision)` names a comparison. Written twice, it counts once.
- Clocks are Unix seconds between 2001 and 2100 (`..._at` below). A record dated more than a day after it
  reached the broker is broken.
- Every age and window is measured by the broker's timestamp (`LogAppendTime`), not by `occurred_at`.
- The record's key must be its `conversation_id`: otherwise it lies on another partition than its conversation.
- Largest record: {topology.MAX_RECORD_BYTES} bytes.
"""
