"""What the bridge decides: mapping, translating, acceptance, alarms, standing. Pure: no I/O, no clock."""
