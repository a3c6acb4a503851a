"""Supervised fine-tuning of one role in a child process.

`job` describes a training, `launch` starts the child and watches it, `sft` is what the child does:
`rows` tokenizes the rows, `checkpoints` finds the checkpoint to resume from, `progress` logs every
step, `guard` ends the child with its parent and handles SIGTERM. The folder of a training becomes a
PEFT adapter:

    job.json        what is trained; the child reads it
    metrics.jsonl   one line per step, see `steps`
    checkpoints/    removed when the training is finished
    failure.txt     why the last attempt failed, in one line
    adapter_config.json, adapter_model.safetensors
    result.json     written last: the training is finished
"""
