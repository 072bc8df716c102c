"""Plain methods on the same stream, so that a figure never stands alone.

Refuses cleverness: each is what one would write in an afternoon, with one fixed limit.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from huying.county import distance_m
from huying.routing.judgement.learning.labelled import LabelledReport
from huying.routing.judgement.text import gram_ids, inverse_document_frequency, normalise, weigh

ALIKE = 0.35
"""Cosine of character 2- and 3-grams from which texts count as one problem: precision about 0.98 here."""
NEAR_M = 600.0
CASE_M = 100.0
CASE_DAYS = 12.0
ORACLE_DAYS = 14.0


def same_words(labelled: Sequence[LabelledReport]) -> list[str]:
    """Char TF-IDF with a place filter: joins the most alike earlier report in the same place."""
    ids = [gram_ids(normalise(item.facts.text), (2, 3)) for item in labelled]
    idf = inverse_document_frequency(ids)
    vectors = [weigh(own, idf) for own in ids]
    postings: dict[int, list[tuple[int, float]]] = defaultdict(list)
    clusters: list[str] = []
    for number, (item, (own, weights)) in enumerate(zip(labelled, vectors, strict=True)):
        scores: Counter[int] = Counter()
        for word, weight in zip(own.tolist(), weights.tolist(), strict=True):
            for other, theirs in postings[word]:
                scores[other] += weight * theirs
        found = clusters_of_best(item, scores, labelled, clusters)
        clusters.append(found or item.facts.report_id)
        for word, weight in zip(own.tolist(), weights.tolist(), strict=True):
            postings[word].append((number, weight))
    return clusters


def clusters_of_best(
    item: LabelledReport, scores: Counter[int], labelled: Sequence[LabelledReport], clusters: list[str]
) -> str | None:
    """Incident of the most alike report in the same place, if alike enough."""
    for other, score in scores.most_common(30):
        if score < ALIKE:
            return None
        if same_place(item, labelled[other]):
            return clusters[other]
    return None


def same_place(one: LabelledReport, two: LabelledReport) -> bool:
    """Same village or near points; where neither says, the same town."""
    a, b = one.facts, two.facts
    if a.village_code and b.village_code:
        return a.village_code == b.village_code
    if a.lon is not None and a.lat is not None and b.lon is not None and b.lat is not None:
        return distance_m((a.lon, a.lat), (b.lon, b.lat)) <= NEAR_M
    return a.town == b.town


def oracle_village_matter(labelled: Sequence[LabelledReport]) -> list[str]:
    """Knows the heading: same village as given by the reporters and same heading within 14 days is one."""
    last: dict[tuple[str, str | None], tuple[float, str]] = {}
    clusters: list[str] = []
    for item in labelled:
        cluster = item.facts.report_id
        if item.facts.village_code is not None:
            at = item.facts.received_at.timestamp() / 86400.0
            key = (item.facts.village_code, item.matter)
            before = last.get(key)
            cluster = before[1] if before and at - before[0] <= ORACLE_DAYS else cluster
            last[key] = (at, cluster)
        clusters.append(cluster)
    return clusters


def same_type_near(labelled: Sequence[LabelledReport]) -> list[str]:
    """Same type, within 100 m and 12 days of an earlier case."""
    cells: dict[tuple[str | None, int, int], list[int]] = defaultdict(list)
    clusters: list[str] = []
    size = CASE_M / 111_320.0
    for number, item in enumerate(labelled):
        facts = item.facts
        cluster = facts.report_id
        if facts.lon is not None and facts.lat is not None:
            wide = size / math.cos(math.radians(facts.lat))
            column, row = math.floor(facts.lon / wide), math.floor(facts.lat / size)
            near = [
                other
                for dx in (-2, -1, 0, 1, 2)
                for dy in (-1, 0, 1)
                for other in cells[(item.matter, column + dx, row + dy)]
                if (facts.received_at - labelled[other].facts.received_at).total_seconds() <= CASE_DAYS * 86400
                and distance_m(
                    (facts.lon, facts.lat), (labelled[other].facts.lon or 0.0, labelled[other].facts.lat or 0.0)
                )
                <= CASE_M
            ]
            if near:
                cluster = clusters[max(near)]
            cells[(item.matter, column, row)].append(number)
        clusters.append(cluster)
    return clusters


BY_FORMAT: dict[str, dict[str, Callable[[Sequence[LabelledReport]], list[str]]]] = {
    "county": {"tfidf_and_place": same_words, "oracle_village_matter_14d": oracle_village_matter},
    "messages": {"tfidf_and_place": same_words},
    "cases": {"same_type_100m_12d": same_type_near},
}
