"""What the bridge decides: mapping, translating, wording, places, acceptance, alarms, standing. Pure: no I/O, no clock."""
