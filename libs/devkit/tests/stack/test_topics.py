"""Making and checking topics: twice gives once, and differences are told, not mended."""

import pytest

from huying.devkit.stack import topics

SETTINGS = {"max.message.bytes": "1048576", "retention.ms": "86400000", "cleanup.policy": "delete"}


class ProvisioningConduct:
    enforced: bool

    async def test_topics_are_made_once_and_then_found(self, stack, unique_name):
        wanted = [(f"{unique_name}.a", 1, SETTINGS), (f"{unique_name}.b", 4, SETTINGS)]
        missing = await topics.check(stack.bootstrap, wanted)
        assert [(one.topic, one.what, one.actual) for one in missing] == [
            (f"{unique_name}.a", "topic", None),
            (f"{unique_name}.b", "topic", None),
        ]
        made = await topics.create(stack.bootstrap, wanted)
        assert set(made.created) == {f"{unique_name}.a", f"{unique_name}.b"}
        assert made.settings_enforced is self.enforced
        again = await topics.create(stack.bootstrap, wanted)
        assert again.created == ()
        assert again.existing == (f"{unique_name}.a", f"{unique_name}.b")
        assert await topics.check(stack.bootstrap, wanted) == []

    async def test_other_partitions_and_settings_are_told_one_by_one(self, stack, unique_name):
        await topics.create(stack.bootstrap, [(unique_name, 2, SETTINGS)])
        differences = await topics.check(
            stack.bootstrap, [(unique_name, 4, SETTINGS | {"retention.ms": "1", "max.message.bytes": "1048576"})]
        )
        assert [str(one) for one in differences] == [
            f"{unique_name}: partitions is '2', wanted '4'",
            f"{unique_name}: retention.ms is '86400000', wanted '1'",
        ]

    async def test_checking_a_missing_topic_does_not_make_it(self, stack, unique_name):
        wanted = [(unique_name, 1, {})]
        assert len(await topics.check(stack.bootstrap, wanted)) == 1
        assert len(await topics.check(stack.bootstrap, wanted)) == 1

    async def test_nothing_wanted_is_nothing_done(self, stack):
        assert (await topics.create(stack.bootstrap, [])).created == ()
        assert await topics.check(stack.bootstrap, []) == []


@pytest.mark.wire
class TestOnTansu(ProvisioningConduct):
    enforced = False

    @pytest.fixture
    def stack(self, embedded_stack):
        return embedded_stack


@pytest.mark.kafka
class TestOnApacheKafka(ProvisioningConduct):
    enforced = True

    @pytest.fixture
    def stack(self, kafka_stack):
        return kafka_stack
