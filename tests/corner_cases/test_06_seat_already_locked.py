"""Corner case 6: a buyer wants a seat that somebody else is holding. The plan paints it yellow: see tests/browser."""

from tests.support.platform import Platform


async def test_everybody_sees_at_once_that_a_seat_is_held(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    path = f"/api/events/{event}/availability"
    before = await platform.ask("GET", path, slug=slug)

    await platform.hold(slug, event, [3, 4])

    shown = [await platform.ask("GET", path, slug=slug) for _ in range(6)]  # whichever process answers
    packed = await platform.ask("GET", path, slug=slug, headers={"Accept": "application/octet-stream"})
    assert before.json["held"] == []
    assert [reply.json["held"] for reply in shown] == [[3, 4]] * 6
    assert shown[0].json["counts"]["held"] == 2
    assert packed.body[8:10] == bytes([0b00_00_00_01, 0b01_00_00_00])


async def test_who_tries_all_the_same_is_told_which_seat_it_is_and_what_is_free_beside(
    platform: Platform, slug: str
) -> None:
    event = await platform.event(slug)
    await platform.hold(slug, event, [4])

    refused = await platform.hold(slug, event, [4])
    instead = await platform.hold(slug, event, refused.json["alternatives"][:1])

    assert (refused.status, refused.code, refused.json["seats"]) == (409, "seat_unavailable", [4])
    assert set(refused.json["alternatives"][:2]) == {3, 5}
    assert instead.status == 201


async def test_a_seat_that_is_let_go_can_be_held_at_once(platform: Platform, slug: str) -> None:
    event = await platform.event(slug)
    guest = await platform.guest(slug)
    held = await platform.hold(slug, event, [4], guest=guest)

    released = await platform.ask("DELETE", f"/api/holds/{held.json['id']}", slug=slug, guest=guest)

    assert released.status == 204
    assert (await platform.hold(slug, event, [4])).status == 201
