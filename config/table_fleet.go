package config

func elasticSettings() []Setting {
	return section(sectionElastic,
		Setting{
			Name: "workers_min", Flag: "workers-min", Kind: Int, Default: "-1", Min: -1, Max: maxWorkers, Own: true,
			Help: "The fewest workers that run when there is little to do, where workers_max is set; -1 is as many as workers. " +
				"With 0 the first request starts the first worker.",
			Reload: AtOnce, field: func(c *Config) any { return &c.WorkersMin },
		},
		Setting{
			Name: "workers_max", Flag: "workers-max", Kind: Int, Default: "0", Max: maxWorkers, Own: true,
			Help:   "The most workers that run when there is much to do; 0 keeps their number at workers.",
			Reload: AtOnce, field: func(c *Config) any { return &c.WorkersMax },
		},
		Setting{
			Name: "scale_up_wait", Flag: "scale-up-wait", Kind: Duration, Default: "50ms", Own: true,
			Help:   "Start another worker when requests wait for one longer than this, over a second.",
			Reload: AtOnce, field: func(c *Config) any { return &c.ScaleUpWait },
		},
		Setting{
			Name: "scale_down_idle", Flag: "scale-down-idle", Kind: Duration, Default: "60", Own: true,
			Help:   "Let a worker go after one could have been spared for so long.",
			Reload: AtOnce, field: func(c *Config) any { return &c.ScaleDownIdle },
		},
		Setting{
			Name: "memory_budget", Flag: "memory-budget", Kind: Size, Default: "0", Own: true,
			Help: "What all workers together may hold: none is added that would not fit, and while they hold more the largest " +
				"go, down to workers_min; where none may go the largest is replaced. 0 is no bound.",
			Reload: AtOnce, field: func(c *Config) any { return &c.MemoryBudget },
		},
	)
}

func rolloutSettings() []Setting {
	return section(sectionRollout,
		Setting{
			Name: "reload_strategy", Flag: "reload-strategy", Kind: Choice, Choices: []string{"rolling", "all"},
			Default: "rolling", Own: true,
			Help: "How HUP exchanges the workers. rolling: reload_batch at a time. " +
				"all: a whole new generation is made ready first.",
			Reload: AtOnce, field: func(c *Config) any { return &c.ReloadStrategy },
		},
		Setting{
			Name: "reload_batch", Flag: "reload-batch", Kind: Int, Default: "0", Max: maxWorkers, Own: true,
			Help:   "How many workers a rolling reload exchanges at a time; 0 is a quarter of them.",
			Reload: AtOnce, field: func(c *Config) any { return &c.ReloadBatch },
		},
		Setting{
			Name: "reload_pause", Flag: "reload-pause", Kind: Duration, Default: "0", Own: true,
			Help:   "How long a rolling reload waits between two batches.",
			Reload: AtOnce, field: func(c *Config) any { return &c.ReloadPause },
		},
		Setting{
			Name: "canary", Flag: "canary", Kind: Bool, Default: "false", Own: true,
			Help: "A worker of the new code serves beside the old ones for canary_time before any of those is exchanged. The reload " +
				"is given up when it crashes, hangs or leaks, is over max_memory, or has more errors or longer times in the app " +
				"than the old workers meanwhile. It gets 4 % of the requests at first, and a worker's fair share once it has " +
				"done well for half of canary_time.",
			Reload: AtOnce, field: func(c *Config) any { return &c.Canary },
		},
		Setting{
			Name: "canary_time", Flag: "canary-time", Kind: Duration, Default: "10", Own: true,
			Help:   "How long the canary is watched; up to three times as long while it has had fewer than canary_min_answers.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CanaryTime },
		},
		Setting{
			Name: "canary_max_errors", Flag: "canary-max-errors", Kind: Int, Default: "5", Max: 100, Own: true,
			Help:   "By how many per cent of responses more than the old workers' the canary's may be 5xx.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CanaryMaxErrors },
		},
		Setting{
			Name: "canary_max_slowdown", Flag: "canary-max-slowdown", Kind: Int, Default: "3", Max: 1000, Own: true,
			Help: "How many times as long as the old workers' the canary's requests may take in the app: half of them, and all but " +
				"the slowest hundredth; 0 does not compare.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CanarySlowdown },
		},
		Setting{
			Name: "canary_min_answers", Flag: "canary-min-answers", Kind: Int, Default: "30", Max: 1000000, Own: true,
			Help: "How many answers of the canary a verdict needs, twice as many when some are 5xx. With fewer the trial takes up to three " +
				"times canary_time, and then the reload fails; with 0 a canary that nobody asks " +
				"anything passes.",
			Reload: AtOnce, field: func(c *Config) any { return &c.CanaryLeast },
		},
	)
}

func resourceSettings() []Setting {
	return section(sectionResources,
		Setting{
			Name: "nice", Flag: "nice", Kind: Int, Default: "0", Min: -20, Max: 19, Own: true,
			Help:   "The workers' nice value; below 0 needs privileges.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.Nice },
		},
		Setting{
			Name: "cpu_affinity", Flag: "cpu-affinity", Kind: String, Own: true,
			Help: "The CPUs that workers run on: a list such as 0-3,6; auto gives each worker one in turn; " +
				"empty leaves it to the kernel.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.CPUAffinity },
		},
		Setting{
			Name: "rlimit_nofile", Flag: "rlimit-nofile", Kind: Int, Default: "0", Own: true,
			Help:   "How many descriptors a worker may have open; 0 leaves the limit as it is.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.RlimitNofile },
		},
		Setting{
			Name: "rlimit_core", Flag: "rlimit-core", Kind: Size, Default: "-1", Min: -1, Own: true,
			Help:   "How large a worker's core dump may be; -1 leaves the limit as it is.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.RlimitCore },
		},
		Setting{
			Name: "cgroup_memory_max", Flag: "cgroup-memory-max", Kind: Size, Default: "0", Own: true,
			Help:   "memory.max of each worker's cgroup (v2), where it is delegated; 0 is none.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.CgroupMemoryMax },
		},
		Setting{
			Name: "cgroup_cpu_weight", Flag: "cgroup-cpu-weight", Kind: Int, Default: "0", Max: 10000, Own: true,
			Help:   "cpu.weight of each worker's cgroup (v2), where it is delegated; 0 is none.",
			Reload: NewWorkers, field: func(c *Config) any { return &c.CgroupCPUWeight },
		},
	)
}
