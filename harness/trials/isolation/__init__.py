"""Strangers' code in processes that never had a label, and what stands for it here.

With `isolate`, this process imports no stranger. A process of the strangers' own says what they offer, and stand-ins
of these parts are planned with here. Each trial has a process that is sent training pixels, then test pixels without
names, and that answers with scores. Labels, masks, pools, thresholds and the store stay here. What comes back is JSON
and plain arrays, never a pickle.

Who fits isolated trials makes `Worker(WorkerConfig(isolate=True, ...), isolated_registry(plugin_files))`.

It fences off labels in memory, on Linux also in that of the run's other processes. It is no sandbox: a stranger may
read every file that its user may read.
"""
