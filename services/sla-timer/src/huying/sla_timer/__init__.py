"""Legal clocks of incidents: started, warned, breached and stopped, each exactly once."""
