"""The SQL store's statements, built once so that SQLAlchemy compiles each of them once.

Every one is bound to its owner, ``:caller``, but for those of ``ACROSS_OWNERS``.
Parameters are named apart from columns: ``:caller``, ``:thread``, ``:item``, ``:turn``, ``:file``.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    Text,
    and_,
    bindparam,
    delete,
    exists,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    update,
)

from parlour.stores.base import Order
from parlour.stores.columns import KEY
from parlour.stores.schema import LIVE, attachments, items, threads, turns

_caller = bindparam("caller", type_=KEY)
_thread = bindparam("thread", type_=KEY)
_item = bindparam("item", type_=KEY)
_turn = bindparam("turn", type_=KEY)
_file = bindparam("file", type_=KEY)
_limit = bindparam("limit", type_=BigInteger)
_since = bindparam("since", type_=BigInteger)

# MySQL and MariaDB would find the owner or the thread in the index, then read all of it up to the
# page, rather than look there for the beginning of the page as well.
_FORCE: Final = "FORCE INDEX ({})"

# -- threads -------------------------------------------------------------------------------------

_own_thread = and_(threads.c.id == _thread, threads.c.owner == _caller)
_thread_row = select(
    threads.c.id,
    threads.c.created_at,
    threads.c.title,
    threads.c.status,
    threads.c.allowed_image_domains,
    threads.c.metadata,
)

ADD_THREAD: Final = insert(threads)
LOAD_THREAD: Final = _thread_row.where(_own_thread)
UPDATE_THREAD: Final = update(threads).where(_own_thread)
DELETE_THREAD: Final = delete(threads).where(_own_thread)

# Every write to a thread's items begins with this: it finds the thread, takes the next sequence
# number, and holds the row so that two writers take turns.
TOUCH_THREAD: Final = (
    update(threads)
    .where(_own_thread)
    .values(next_seq=threads.c.next_seq + 1, updated_at=bindparam("now", type_=BigInteger))
)


def _threads_page(order: Order, after: bool) -> Select[str, int, str | None, str, str, str]:
    at, key = threads.c.created_at, threads.c.id
    query = _thread_row.where(threads.c.owner == _caller).limit(_limit)
    query = query.with_hint(threads, _FORCE.format("parlour_threads_by_owner"), "mysql")
    moment = bindparam("after_at", type_=BigInteger)
    cursor = bindparam("after", type_=KEY)
    if order == "desc":
        query = query.order_by(at.desc(), key.desc())
        return query.where(at <= moment, or_(at < moment, key < cursor)) if after else query
    query = query.order_by(at, key)
    return query.where(at >= moment, or_(at > moment, key > cursor)) if after else query


THREADS_PAGE: Final = {
    (order, after): _threads_page(order, after)
    for order in ("asc", "desc")
    for after in (False, True)
}

# -- items ---------------------------------------------------------------------------------------

_in_thread = and_(items.c.thread_id == _thread, items.c.owner == _caller)
_live = and_(_in_thread, items.c.retired_by == LIVE)
_live_item = and_(_live, items.c.id == _item)
_item_row = select(items.c.id, items.c.type, items.c.data, items.c.feedback)

ADD_ITEM: Final = insert(items).from_select(
    ["thread_id", "id", "retired_by", "owner", "seq", "type", "hidden", "data"],
    select(
        threads.c.id,
        _item,
        literal(LIVE, KEY),
        threads.c.owner,
        threads.c.next_seq,
        bindparam("kind", type_=KEY),
        bindparam("is_hidden", type_=Boolean),
        bindparam("text", type_=Text),
    ).where(_own_thread, ~exists().where(_live_item)),
)
REPLACE_ITEM: Final = (
    update(items)
    .where(_live_item)
    .values(
        type=bindparam("kind", type_=KEY),
        hidden=bindparam("is_hidden", type_=Boolean),
        data=bindparam("text", type_=Text),
    )
)
LOAD_ITEM: Final = _item_row.where(_live_item)
DELETE_ITEM: Final = delete(items).where(_live_item)
DELETE_ITEMS: Final = delete(items).where(_in_thread)
FEEDBACK: Final = update(items).where(_live_item).values(feedback=bindparam("kind", type_=KEY))


def _visible(hidden: bool) -> ColumnElement[bool]:
    return _live if hidden else and_(_live, items.c.hidden.is_(False))


def _items_page(order: Order, after: bool, hidden: bool) -> Select[str, str, str, str | None]:
    query = _item_row.where(_visible(hidden)).limit(_limit)
    query = query.with_hint(items, _FORCE.format("parlour_items_by_thread"), "mysql")
    cursor = bindparam("after_seq", type_=BigInteger)
    if order == "desc":
        query = query.order_by(items.c.seq.desc())
        return query.where(items.c.seq < cursor) if after else query
    query = query.order_by(items.c.seq)
    return query.where(items.c.seq > cursor) if after else query


def _cursor(hidden: bool) -> Select[int]:
    """The sequence number of the item ``:after``, if this view of the thread has it."""
    return select(items.c.seq).where(_visible(hidden), items.c.id == bindparam("after", type_=KEY))


ITEMS_PAGE: Final = {
    (order, after, hidden): _items_page(order, after, hidden)
    for order in ("asc", "desc")
    for after in (False, True)
    for hidden in (False, True)
}
CURSOR: Final = {hidden: _cursor(hidden) for hidden in (False, True)}

# -- attachments ---------------------------------------------------------------------------------

_own_file = and_(attachments.c.id == _file, attachments.c.owner == _caller)
_files_of_thread = and_(attachments.c.owner == _caller, attachments.c.thread_id == _thread)

ADD_ATTACHMENT: Final = insert(attachments)
REPLACE_ATTACHMENT: Final = (
    update(attachments)
    .where(_own_file)
    .values(thread_id=_thread, data=bindparam("text", type_=Text))
)
SWAP_ATTACHMENT: Final = REPLACE_ATTACHMENT.where(attachments.c.data == bindparam("old"))
LOAD_ATTACHMENT: Final = select(attachments.c.data).where(_own_file)
COUNT_UNTAKEN: Final = (
    select(func.count())
    .select_from(attachments)
    .where(attachments.c.owner == _caller, attachments.c.thread_id.is_(None))
)
DELETE_ATTACHMENT: Final = delete(attachments).where(_own_file)
ATTACHMENTS_OF_THREAD: Final = select(attachments.c.id).where(_files_of_thread)
DELETE_ATTACHMENTS: Final = delete(attachments).where(_files_of_thread)

# -- turns ---------------------------------------------------------------------------------------

# Written out, since an index of running turns only serves who asks for exactly these.
_is_running = turns.c.outcome == literal_column("'running'")
_own_turn = and_(turns.c.id == _turn, turns.c.owner == _caller)
_running_turn = and_(_own_turn, _is_running)
_retired = and_(_in_thread, items.c.retired_by == _turn)
_turn_row = select(
    turns.c.id,
    turns.c.owner,
    turns.c.thread_id,
    turns.c.server,
    turns.c.beat_at,
    turns.c.key,
    turns.c.outcome,
    turns.c.pending,
)

BEGIN_TURN: Final = insert(turns)
EARLIER_TURN: Final = _turn_row.where(
    turns.c.owner == _caller, or_(turns.c.id == _turn, turns.c.key == bindparam("used", type_=KEY))
)
FIND_TURN: Final = _turn_row.where(
    turns.c.owner == _caller, turns.c.key == bindparam("used", type_=KEY)
)
JOURNAL: Final = update(turns).where(_running_turn).values(pending=bindparam("text", type_=Text))
CLOSE_TURN: Final = (
    update(turns).where(_running_turn).values(outcome=bindparam("ending", type_=KEY), pending="[]")
)
TURN_THREAD: Final = select(turns.c.thread_id).where(_own_turn)
TURN_OUTCOME: Final = select(turns.c.outcome).where(_own_turn)
RUNNING_ON_THREAD: Final = select(turns.c.id).where(_running_turn, turns.c.thread_id == _thread)
DELETE_TURNS: Final = delete(turns).where(turns.c.owner == _caller, turns.c.thread_id == _thread)
RETIRE_AFTER: Final = (
    update(items)
    .where(_live, items.c.seq > bindparam("after_seq", type_=BigInteger))
    .values(retired_by=_turn)
)
RETIRED_IDS: Final = select(items.c.id).where(_retired)
DELETE_RETIRED: Final = delete(items).where(_retired)
DELETE_RETIRED_ITEM: Final = delete(items).where(_retired, items.c.id == _item)
RESTORE: Final = update(items).where(_retired).values(retired_by=LIVE)
BEAT: Final = (
    update(turns)
    .where(_is_running, turns.c.server == bindparam("process", type_=KEY))
    .values(beat_at=bindparam("now", type_=BigInteger))
)
RUNNING: Final = _turn_row.where(_is_running)

# -- maintenance ---------------------------------------------------------------------------------

_turn_runs_here = exists().where(
    turns.c.owner == _caller, turns.c.thread_id == _thread, _is_running
)
LOCK_IDLE: Final = (
    select(threads.c.id)
    .where(_own_thread, threads.c.updated_at < _since, ~_turn_runs_here)
    .with_for_update()
)
_idle_owner = bindparam("owner", type_=KEY)
IDLE_THREADS: Final = (
    select(threads.c.owner, threads.c.id)
    .where(
        threads.c.updated_at < _since,
        or_(
            threads.c.owner > _idle_owner,
            and_(threads.c.owner == _idle_owner, threads.c.id > _thread),
        ),
    )
    .order_by(threads.c.owner, threads.c.id)
    .limit(_limit)
)
FORGET_TURNS: Final = delete(turns).where(turns.c.outcome != "running", turns.c.beat_at < _since)
_untaken = attachments.c.thread_id.is_(None)
UNTAKEN: Final = select(attachments.c.id).where(_untaken, attachments.c.created_at < _since)
DELETE_UNTAKEN: Final = delete(attachments).where(_untaken, attachments.c.id == _file)
ANY_ATTACHMENT: Final = select(attachments.c.id).where(attachments.c.id == _file)

ACROSS_OWNERS: Final = (
    *(BEAT, RUNNING, IDLE_THREADS, FORGET_TURNS),
    *(UNTAKEN, DELETE_UNTAKEN, ANY_ATTACHMENT),
)
"""The only statements that are not bound to one owner: they keep the whole store in order."""
