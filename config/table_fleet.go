package config

func elasticSettings() []Setting {
	return section(sectionElastic,
		Setting{
			Name: "workers_min", Kind: Int, Default: "-1", Min: -1, Max: maxWorkers, Own: true,
			Help: "The fewest workers that run when there is little to do, where workers_max is set; -1 is as many as workers. " +
				"With 0 the first request starts the first worker.",
		},
		Setting{
			Name: "workers_max", Kind: Int, Default: "0", Max: maxWorkers, Own: true,
			Help: "The most workers that run when there is much to do; 0 keeps their number at workers.",
		},
		Setting{
			Name: "scale_up_wait", Kind: Duration, Default: "50ms", Own: true,
			Help: "Start another worker when requests wait for one longer than this, over a second.",
		},
		Setting{
			Name: "scale_down_idle", Kind: Duration, Default: "60", Own: true,
			Help: "Let a worker go after one could have been spared for so long.",
		},
		Setting{
			Name: "memory_budget", Kind: Size, Default: "0", Own: true,
			Help: "What all workers together may hold: none is added that would not fit, and while they hold more the largest " +
				"go, down to workers_min; where none may go the largest is replaced. 0 is no bound.",
		},
	)
}

func rolloutSettings() []Setting {
	return section(sectionRollout,
		Setting{
			Name: "reload_strategy", Kind: Choice, Choices: []string{"rolling", "all"},
			Default: "rolling", Own: true,
			Help: "How HUP exchanges the workers. rolling: reload_batch at a time. " +
				"all: a whole new generation is made ready first.",
		},
		Setting{
			Name: "reload_batch", Kind: Int, Default: "0", Max: maxWorkers, Own: true,
			Help: "How many workers a rolling reload exchanges at a time; 0 is a quarter of them.",
		},
		Setting{
			Name: "reload_pause", Kind: Duration, Default: "0", Own: true,
			Help: "How long a rolling reload waits between two batches.",
		},
		Setting{
			Name: "canary", Kind: Bool, Default: "false", Own: true,
			Help: "A worker of the new code serves beside the old ones for canary_time before any of those is exchanged. The reload " +
				"is given up when it crashes, hangs or leaks, is over max_memory, or has more errors or longer times in the app " +
				"than the old workers meanwhile. It gets 4 % of the requests at first, and a worker's fair share once it has " +
				"done well for half of canary_time.",
		},
		Setting{
			Name: "canary_time", Kind: Duration, Default: "10", Own: true,
			Help: "How long the canary is watched; up to three times as long while it has had fewer than canary_min_answers.",
		},
		Setting{
			Name: "canary_max_errors", Kind: Int, Default: "5", Max: 100, Own: true,
			Help: "By how many per cent of responses more than the old workers' the canary's may be 5xx.",
		},
		Setting{
			Name: "canary_max_slowdown", Kind: Int, Default: "3", Max: 1000, Own: true,
			Help: "How many times as long as the old workers' the canary's requests may take in the app: half of them, and all but " +
				"the slowest hundredth; 0 does not compare.",
		},
		Setting{
			Name: "canary_min_answers", Kind: Int, Default: "30", Max: 1000000, Own: true,
			Help: "How many answers of the canary a verdict needs, twice as many when some are 5xx. With fewer the trial takes up to three " +
				"times canary_time, and then the reload fails; with 0 a canary that nobody asks " +
				"anything passes.",
		},
	)
}

func resourceSettings() []Setting {
	return section(sectionResources,
		Setting{
			Name: "nice", Kind: Int, Default: "0", Min: -20, Max: 19, Own: true,
			Help: "The workers' nice value; below 0 needs privileges.",
		},
		Setting{
			Name: "batch_scheduling", Negated: "no-batch-scheduling", Kind: Bool, Default: "true", Own: true,
			Help: "While Python workers and their gateway have much to do, the kernel schedules them as batch processes (SCHED_BATCH): they do not " +
				"interrupt others when they are woken. On CPUs that are all taken, that saves up to a third of the CPU a request.",
		},
		Setting{
			Name: "cpu_affinity", Kind: String, Own: true,
			Help: "The CPUs that workers run on: a list such as 0-3,6; auto gives each worker one in turn; " +
				"empty leaves it to the kernel.",
		},
		Setting{
			Name: "rlimit_nofile", Kind: Int, Default: "0", Own: true,
			Help: "How many descriptors a worker may have open; 0 leaves the limit as it is.",
		},
		Setting{
			Name: "rlimit_core", Kind: Size, Default: "-1", Min: -1, Own: true,
			Help: "How large a worker's core dump may be; -1 leaves the limit as it is.",
		},
		Setting{
			Name: "cgroup_memory_max", Kind: Size, Default: "0", Own: true,
			Help: "memory.max of each worker's cgroup (v2), where it is delegated; 0 is none.",
		},
		Setting{
			Name: "cgroup_cpu_weight", Kind: Int, Default: "0", Max: 10000, Own: true,
			Help: "cpu.weight of each worker's cgroup (v2), where it is delegated; 0 is none.",
		},
	)
}
