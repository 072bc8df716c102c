"""What the bridge decides: mapping, translating, places, acceptance, alarms, standing. Pure: no I/O, no clock."""
