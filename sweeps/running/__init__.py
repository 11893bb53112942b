"""From specs to trained cells: the plan, Ray, the trial that resumes, what a person sees of it."""
