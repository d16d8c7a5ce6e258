"""What the platform costs, measured; README.md says which script measures what and how to read it.

    platforms.py      the same trials by a bare loop, by Ray Tune, by Optuna and by `study launch`
    ways.py           those four ways, each run in a process of its own
    bare_training.py  the training that the first three share
    lanes.py          many lanes as one program against one network at a time, on the CPU
    gpu.py            every figure of a GPU, each kind by a process of its own: gpu_checks, gpu_ceilings, gpu_rows,
                      gpu_profile; gpu_table.py prints them
    plan.py           which techniques are measured there, with how many lanes
    techniques.py     those techniques; processes.py is the one that shares the GPU between processes
    lane_work.py      what lanes are measured on
    tune_overhead.py  what Ray Tune costs for trials that do nothing
    ledger_scale.py   the ledger and what reads it, at 10,000 trials of 50 epochs
    made_up.py        ledgers of studies whose trials never ran
    similarity.py     the LDA similarity of 50,000 images, by scikit-learn and by us
    scale.py          the whole platform on trials that train nothing, from 10 to 10,000
    idle.py           the trainable of those
    early_stopping.py ASHA with lanes against a cell's full grid
    frozen_search.py  our proposers and ASHA, played over that grid's table, `frozen/`
    frozen_table.py   the table
    search_curve.py   the best so far against what it cost, for both
    machine.py        the facts that every raw result carries

May import everything; nothing imports it but tests.
"""
