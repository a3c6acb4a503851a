"""Supervised fine-tuning of one role in a child process.

`job` says what is to be trained, `launch` starts the child and watches it, `sft` is what the child
does: `rows` makes tokens of the rows, `checkpoints` finds the place to go on from, `progress` writes
down every step, `guard` ends the child with its parent and saves on SIGTERM. The folder of a
training, which in the end holds a peft adapter:

    job.json        what is trained; the child reads it
    metrics.jsonl   a line a step
    checkpoints/    gone when the training is finished
    failure.txt     why the last attempt failed, in one line
    adapter_config.json, adapter_model.safetensors
    result.json     written last: the training is finished
"""
