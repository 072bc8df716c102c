"""How a notice gets out: claimed, sent by its medium, and settled. It never decides who is told.

intent -> sending -> confirmed | failed | unknown. Exactly once is possible where the receiving side recognises the
notice's id; where it does not, an unanswered request stays `unknown` for a person to look at (reliability, rule 12).
"""
