"""The dispatch centre's page: the feed, the questions, an incident. It decides nothing: people command, routing decides."""
