"""The limits, the language and the worked example in the documents are those of the code."""

import re

from documents import read

from edge.assembly.control_port import CONTROL_ADDRESS_LIMIT, CONTROL_CONNECTIONS_LIMIT
from edge.assembly.counting.erasing_devices import NODES_GIVE_UP_SECONDS
from edge.assembly.counting.figures_file import COMPRESS_SECONDS
from edge.assembly.counting.guarded_releases import MEANWHILE_SECONDS
from edge.assembly.counting.process import FOLD_SECONDS, GUARD_SECONDS
from edge.assembly.counting.process import READERS as FIGURE_READERS
from edge.assembly.counting.remembered_answers import REMEMBERED_ANSWERS, REMEMBERED_BYTES, REMEMBERED_SECONDS
from edge.assembly.counting.shown_behaviour import KEPT_DAYS
from edge.assembly.exporting import EXPORTS_AT_ONCE
from edge.assembly.folding import ANSWER_SECONDS, ASKER_WAITING_LIMIT, PAGE_WAITING_LIMIT, QUESTIONS_WAITING_LIMIT
from edge.assembly.guarding.guard_duty import (
    LOOK_SECONDS,
    NOTICES_WAITING_LIMIT,
    TOLD_AGAIN_SECONDS,
    TRIES_LIMIT,
    WATCH_SECONDS,
)
from edge.assembly.region.reports_home import RECEIVED_SHARE
from edge.bundles.limits import BLOB_LIMIT_BYTES, PLAIN_LIMIT_BYTES
from edge.bundles.packing.cache import CACHE_LIMIT_BYTES
from edge.bundles.patches.dcz import PATCHED_LIMIT_BYTES, WINDOW_FREE_BYTES
from edge.bundles.patches.making import (
    APPLIED_LIMIT_BYTES,
    LEAST_PATCHED_BYTES,
    PATCHES_TOTAL_BYTES,
    PATCHING_SECONDS,
)
from edge.bundles.patches.wanted import PATCHED_RELEASES, PATCHED_RELEASES_LIMIT
from edge.cli.demo.segments import ENTERPRISE, SEGMENTS, WINDOWS
from edge.config import Retention, Telemetry
from edge.control.access.networks import NETWORK_LIMIT
from edge.control.access.people_document import (
    GROUP_LIMIT,
    HOLD_LIMIT,
    ORGANISATION_LIMIT,
    OWN_ROLE_LIMIT,
    OWNED_APP_LIMIT,
    PEOPLE_LIMIT,
)
from edge.control.access.token_document import (
    KEEP_LIMIT_SECONDS as FORMER_LIMIT_SECONDS,
)
from edge.control.access.token_document import (
    LIFETIME_LIMIT_SECONDS,
    ROTATORS_LIMIT,
    SCOPE_LIMIT,
    TOKEN_LIMIT,
)
from edge.control.routes.figures.asking import SINCE_MOST
from edge.control.routes.figures.releases import REVISIONS_LIMIT
from edge.control.shapes.outcomes import (
    AHEAD_LIMIT_SECONDS,
    OUTCOME_ID_LIMIT,
    OUTCOMES_BATCH_LIMIT,
    PAST_LIMIT_SECONDS,
)
from edge.control.shapes.streamed import STALL_SECONDS
from edge.control.upload_quota import LEAST_BYTES
from edge.domain.behaviour.daily_counts import FEATURES_LIMIT
from edge.domain.changes.apps import EVENT_KEYS_LIMIT, KEEP_LIMIT_SECONDS
from edge.domain.changes.bundles import COMMENT_LIMIT, LINK_LIMIT, REASON_LIMIT
from edge.domain.changes.channels import CHANNEL_LIMIT, EARLIER_LIMIT, OVERRIDE_LIMIT, SPREAD_LIMIT_SECONDS
from edge.domain.changes.command_ids import RECENT_LIMIT
from edge.domain.changes.guard.guard_changes import (
    FACTOR_LIMIT,
    MAX_FAILURE_SHARES,
    NARROWEST_TRUSTED_BITS,
    TRUSTED_PREFIXES_LIMIT,
    WIDEST_TRUSTED_BITS,
)
from edge.domain.changes.rollouts import NAMED_LIMIT, STEP_LIMIT_SECONDS, STEPS_LIMIT
from edge.domain.changes.segments import ID_SET_LIMIT, SEGMENT_LIMIT, SEGMENTS_LIMIT_BYTES
from edge.domain.changes.taking_back import TAKEN_BACK_LIMIT
from edge.domain.comparing.arms import ARMS, QUESTION_LIMIT
from edge.domain.comparing.measures import MEASURES_LIMIT, WITHIN_LIMIT_DAYS
from edge.domain.facts import DAY_SECONDS, WITHHELD_LIMIT
from edge.domain.forms.choice import IOS_ZIP_LIMIT_BYTES, LINKS_LIMIT
from edge.domain.forms.comparisons import EARLIER_LIMIT as VERSIONS_LIMIT
from edge.domain.forms.comparisons import PAIRS_LIMIT
from edge.domain.forms.observed import LEAST_SAMPLES
from edge.domain.guarding.odds.alpha import TESTS_LIMIT
from edge.domain.guarding.reported import CLOCK_LIMIT_MS
from edge.domain.manifest import FILE_COUNT_LIMIT
from edge.domain.model import APP_ID_LIMIT, CHANNEL_NAME_LIMIT
from edge.domain.patches.document import PATCHES_LIMIT
from edge.domain.schedule.durations import format_duration
from edge.domain.schedule.windows import WINDOW_LIMIT, WINDOWS_PER_CHANNEL_LIMIT
from edge.domain.shares import format_share
from edge.domain.statistics.arithmetic import ERRORS_A_DAY
from edge.domain.targeting.behavioural import PLACES_LIMIT
from edge.domain.targeting.checker import FEATURE_NAME_LIMIT
from edge.domain.targeting.id_sets import ID_LIMIT, IDS_LIMIT, IDS_TEXT_LIMIT_BYTES
from edge.domain.targeting.language import language_rows
from edge.domain.targeting.parser import EXPRESSION_LEVELS_LIMIT, EXPRESSION_LIMIT_BYTES
from edge.domain.versions import VERSION_LIMIT
from edge.facts.pages import largest_pages
from edge.facts.sharing.register import DEVICES_KEPT
from edge.facts.sharing.register import KEPT_DAYS as REGISTER_DAYS
from edge.facts.slot import PAGE_BYTES
from edge.facts.withholdings import RECORDS_LIMIT
from edge.facts.writer import CAPACITY_DEVICES, LIFT_STEP, QUEUE_LIMIT_CHANGES
from edge.messages.courier import AT_ONCE, FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS
from edge.messages.notice import FIGURES_LIMIT as NOTICE_FIGURES_LIMIT
from edge.messages.notice import TEXT_LIMIT, TITLE_LIMIT
from edge.messages.outbox_file import AGE_LIMIT_SECONDS, RESULTS_KEPT
from edge.messages.outbox_file import HELD_LIMIT_BYTES as NOTICES_LIMIT_BYTES
from edge.messages.outbox_file import WAITING_LIMIT as DELIVERIES_LIMIT
from edge.messages.sending import ORDINARY_PHASES as PHASES
from edge.messages.sending import READ_LIMIT_BYTES as ANSWER_LIMIT_BYTES
from edge.messages.webhook import APPS_LIMIT, URL_LIMIT, WEBHOOK_LIMIT
from edge.node.delivery.files import PROOF_WAIT_SECONDS
from edge.node.delivery.unread import UNSENT_BYTES
from edge.node.http.connection import PATH_LIMIT_BYTES
from edge.node.http.device_routes import READYZ_DAMAGES_LIMIT
from edge.node.http.framing import CHUNKS_LIMIT
from edge.node.links.samples import NETWORKS_LIMIT
from edge.node.observing.access_log import BUFFER_LINES
from edge.node.processes.facts_desk import MOVING_SECONDS
from edge.node.processes.leaving import LAST_CALL_SECONDS
from edge.node.processes.snapshot_loader import EAGER_LIMIT, EAGER_SECONDS, KEPT_LIMIT, PAUSE_SHARE
from edge.node.proving.prover import LARGE_BLOB_BYTES, READINGS_LIMIT
from edge.node.proving.quarantine import QUARANTINE_LIMIT
from edge.node.proving.scrubbing import SCRUB_BYTES_PER_SECOND
from edge.node.service.checks.known_questions import ODD_LIMIT, PERIOD_SECONDS, QUESTIONS_LIMIT
from edge.node.service.checks.standing import STANDING_LIMIT_BYTES
from edge.node.service.checks.template import TEMPLATE_LIMIT_BYTES
from edge.node.service.heard.check_notes import (
    FEWER_OF_APP_LIMIT,
    KINDS_OF_APP_LIMIT,
    NUMBERS_LIMIT,
    PLACES,
    POSTPONING_LIMIT,
)
from edge.node.service.heard.delivery_counts import BLOBS_LIMIT
from edge.node.service.heard.hand_over import HAND_OVER_SECONDS
from edge.node.service.limits.admission import CONNECTIONS_LIMIT, FIELDS_LIMIT, HEAD_LIMIT_BYTES
from edge.node.service.limits.event_limits import WIDE_SHARE
from edge.node.service.limits.fact_limits import (
    APP_CHOICES,
    APP_FAILURES,
    APP_NOTES,
    PREFIX_CHOICES,
    PREFIX_FAILURES,
    PREFIX_NOTES,
    WIDE_FAILURES_SHARE,
)
from edge.node.service.limits.large_bodies import (
    HELD_LIMIT_BYTES,
    LARGE_BYTES,
    PREFIX_RATE_KIB,
    READERS,
    WIDE_HELD_LIMIT_BYTES,
)
from edge.node.service.limits.overload import LATE_SECONDS
from edge.node.service.limits.rate_limits import ADDRESS_REQUESTS, DEVICE_REQUESTS
from edge.node.service.limits.unread_answers import ADDRESS_WAITING_BYTES, WORKER_WAITING_BYTES
from edge.node.service.snapshots.first_asks import FIRST_ASK_SECONDS, WAITING_LIMIT
from edge.node.service.snapshots.last_good import WALK_LIMIT
from edge.node.succession.door import CALLERS_LIMIT
from edge.node.succession.handing_over import START_LIMIT_SECONDS, TAKE_LIMIT_SECONDS
from edge.node.tls.port import HANDSHAKE_SECONDS
from edge.node.tls.transport import BARREN_BYTES, HANDSHAKE_BYTES
from edge.page.app import PAGE_SECONDS
from edge.page.door.login_links import LINK_SECONDS
from edge.page.door.login_links import LINKS_LIMIT as LINKS_LIMIT_OF_PAGE
from edge.page.door.sessions import HOLDER_SESSIONS_LIMIT, SESSION_SECONDS, SESSIONS_LIMIT
from edge.page.door.tries import TRIES_LIMIT as SIGN_IN_TRIES
from edge.page.door.tries import TRIES_SECONDS
from edge.page.forms import FORM_LIMIT_BYTES, QUERY_LIMIT
from edge.page.live import (
    EVENT_LIMIT_BYTES,
    NODE_STREAMS_LIMIT,
    SESSION_STREAMS_LIMIT,
    STREAM_SECONDS,
    TOKEN_STREAMS_LIMIT,
)
from edge.page.live import LOOK_SECONDS as LIVE_LOOK_SECONDS
from edge.page.publishing.drops import (
    ARRIVING_LIMIT,
    DROP_SECONDS,
    DROPS_LIMIT,
    PACKING_AT_ONCE,
    TOKEN_ARRIVING_LIMIT,
    TOKEN_DROPS_LIMIT,
)
from edge.page.publishing.packing import PACK_MEMORY_BYTES, PACK_SECONDS, STILL_SECONDS
from edge.page.publishing.receiving import DROP_LIMIT_BYTES, IDLE_SECONDS, RECEIVE_SECONDS
from edge.page.rendering import PAGE_LIMIT_BYTES
from edge.page.views.remembering import ANSWERS_LIMIT, COUNTING_AT_ONCE
from edge.page.views.remembering import REMEMBERED_SECONDS as ANSWER_AGES
from edge.page.views.visit import PART_SECONDS
from edge.regions.fleet.judging_nodes import UNHEARD_SECONDS
from edge.regions.fleet.node_report import NODE_REPORT_LIMIT_BYTES, REFUSED_KINDS_LIMIT, WORDS_LIMIT
from edge.regions.fleet.registry import NODES_LIMIT
from edge.regions.sending import receiving
from edge.regions.sending.sender import IDLE_SECONDS as SENT_SECONDS
from edge.regions.sending.sent_words import SEND_LIMIT_BYTES
from edge.store.damage import DAMAGES_LIMIT
from edge.store.revision_document import REVISION_LIMIT_BYTES
from edge.store.upkeep.collect import HOLD_SECONDS
from edge.telemetry.behaviour.table_writer import CAPACITY_BEHAVIOURS
from edge.telemetry.clickhouse.server import CONNECT_SECONDS, QUESTION_SECONDS
from edge.telemetry.clickhouse.tables import REMEMBERED_INSERTS
from edge.telemetry.devices.known_devices import DEVICES_LIMIT
from edge.telemetry.devices.remembered_devices import DEVICES_REMEMBERED
from edge.telemetry.devices.remembered_devices import REMEMBERED_SECONDS as DEVICES_AGE
from edge.telemetry.folding.batches.app_labels import NAMES_LIMIT
from edge.telemetry.folding.batches.custom_ids import CUSTOM_IDS_LIMIT
from edge.telemetry.folding.device_room import FIGURE_DEVICES_LIMIT
from edge.telemetry.folding.duplicates import OUTCOMES_LIMIT
from edge.telemetry.folding.label_numbers import COHORTS_LIMIT, GROUPS_LIMIT, MADE_UP_COHORTS_LIMIT
from edge.telemetry.folding.labels import MADE_UP_LIMIT
from edge.telemetry.folding.seen_reports import REMEMBERED_LIMIT
from edge.telemetry.questions.app_use import NAMES_LIMIT as NAMES_SHOWN_LIMIT
from edge.telemetry.questions.bundle_reports import CHANGES_LIMIT, FAILURES_LIMIT
from edge.telemetry.questions.port import HOUR_DAYS, ROWS_LIMIT, SUBJECTS_LIMIT
from edge.telemetry.questions.reach_times import BUNDLES_LIMIT
from edge.telemetry.questions.sqlite_rows import SKETCHES_LIMIT
from edge.telemetry.questions.stats import BUNDLES_SHOWN, LABELS_SHOWN
from edge.telemetry.spool.coming_segment import COMING_LIMIT_BYTES
from edge.telemetry.spool.recent_events import PASSED_LIMIT_BYTES, READ_LIMIT_BYTES
from edge.telemetry.trials.trials_schema import EXPERIMENTS_LIMIT, TRIAL_DEVICES_LIMIT
from edge.telemetry.trials.trials_schema import KEPT_DAYS as KEPT_TRIAL_DAYS
from edge.telemetry.trials.trials_schema import POINTS_LIMIT as POINTS_LIMIT_OF_TRIAL
from edge.telemetry.upkeep.ageing import DEVICE_DAYS, HOUR_SUMS_DAYS, MINUTE_SUMS_HOURS, STEP_BUNDLES
from edge.telemetry.votes.pending_reports import PENDING_LIMIT, PENDING_MS, PENDING_OF_NETWORK
from edge.telemetry.votes.standing import ENDED_LIMIT, POINTS_LIMIT, STANDING_DAYS
from edge.telemetry.votes.vote_keeper import VOTES_OF_NODE_LIMIT, WATCHES_LIMIT
from edge.telemetry.votes.watch_book import VOTES_LIMIT
from edge.wire.app_events import (
    EVENT_NAME_LIMIT,
    EVENTS_BATCH_LIMIT,
    EVENTS_BODY_LIMIT_BYTES,
    LABEL_KEY_LIMIT,
    LABEL_TEXT_LIMIT,
    LABELS_LIMIT,
    VALUE_LIMIT,
)
from edge.wire.arrival import BODY_SECONDS, HEAD_SECONDS, MINIMUM_BODY_BPS
from edge.wire.body import BODY_LIMIT_BYTES
from edge.wire.manifest_size import MANIFEST_SIZE_BODY_LIMIT_BYTES, STRUCTURE_LIMIT
from edge.wire.ordinary_stats import LEVELS_LIMIT
from edge.wire.stats import STATS_BODY_LIMIT_BYTES

PREFIX_FACTS = (PREFIX_FAILURES, PREFIX_CHOICES, PREFIX_NOTES)
APP_FACTS = (APP_FAILURES, APP_CHOICES, APP_NOTES)
TABLE_MB_PER_MILLION = largest_pages(CAPACITY_DEVICES) * PAGE_BYTES // CAPACITY_DEVICES
LIMITS = read("config/README.md")
TARGETING = read("edge/domain/README.md")


def test_the_table_of_the_language_is_the_one_of_the_code():
    header = "| Word | Is | Meaning | Example |\n|---|---|---|---|\n"
    rows = [f"| `{name}` | {kind} | {meaning} | `{example}` |\n" for name, kind, meaning, example in language_rows()]
    assert f"\n{header}{''.join(rows)}\n" in TARGETING


def test_the_worked_example_is_what_the_demo_makes():
    assert f'edge window set com.example.app {ENTERPRISE} "{WINDOWS[0]}" --rollback-passes' in TARGETING
    for each in SEGMENTS:
        assert f"edge segment set com.example.app {each.name} " in TARGETING and f"--where '{each.where}'" in TARGETING


def test_the_limits_of_the_page_are_those_of_the_code():
    for row in (
        f"| sessions of the page | {SESSIONS_LIMIT:,}, of one token or person {HOLDER_SESSIONS_LIMIT}, "
        f"{SESSION_SECONDS / 3600:g} h each; in memory |",
        f"| links that sign in, tries to sign in | {LINKS_LIMIT_OF_PAGE} links of {LINK_SECONDS / 60:g} min, "
        f"used once; {SIGN_IN_TRIES} wrong tries a minute of an IPv4 address or IPv6 /64 |",
        f"| pages that are open live | {NODE_STREAMS_LIMIT}, of one token {TOKEN_STREAMS_LIMIT}, "
        f"of one session {SESSION_STREAMS_LIMIT}, "
        f"{STREAM_SECONDS / 60:g} min each, then again; an event {EVENT_LIMIT_BYTES >> 10} KiB, "
        f"a look every {LIVE_LOOK_SECONDS:g} s |",
        f"| a page | {PAGE_SECONDS:g} s, each of its parts {PART_SECONDS:g} s; {PAGE_LIMIT_BYTES >> 20} MiB; "
        f"a query {QUERY_LIMIT:,} characters, a form {FORM_LIMIT_BYTES >> 10} KiB |",
    ):
        assert row in LIMITS
    assert TRIES_SECONDS == 60


def test_the_limits_of_a_zip_on_the_page_are_those_of_the_code():
    for row in (
        f"| a zip dropped on the page | {DROP_LIMIT_BYTES >> 20} MiB; {IDLE_SECONDS:g} s of silence, "
        f"{RECEIVE_SECONDS:,.0f} s in all; {ARRIVING_LIMIT} on their way at once, "
        f"of one token {TOKEN_ARRIVING_LIMIT}; each kept for {DROP_SECONDS:,.0f} s, {DROPS_LIMIT} of them, "
        f"of one token {TOKEN_DROPS_LIMIT} |",
        f"| packing it | {PACK_SECONDS:g} s, {STILL_SECONDS:g} s without use of a CPU, "
        f"{PACK_MEMORY_BYTES >> 20:,} MiB of addresses, "
        f"{PLAIN_LIMIT_BYTES >> 30} GiB in a file; {PACKING_AT_ONCE} at once, of one token 1 |",
    ):
        assert row in LIMITS


def test_the_limits_of_nodes_are_those_of_the_code():
    row = (
        f"| nodes that report to one, a node's report | {NODES_LIMIT:,}; {NODE_REPORT_LIMIT_BYTES >> 10} KiB, "
        f"words of {WORDS_LIMIT} characters, {REFUSED_KINDS_LIMIT} kinds of refusals; "
        f'without one for {UNHEARD_SECONDS:g} s, a node is shown as "last heard of" |'
    )
    assert row in LIMITS


def test_the_limits_of_what_a_node_sends_are_those_of_the_code():
    row = (
        f"| reports of one node at home | {receiving.NODE_AT_ONCE} requests at once "
        f"({receiving.AT_ONCE} of all nodes), "
        f"{SEND_LIMIT_BYTES >> 20} MiB each; {receiving.BYTES_PER_SECOND >> 20} MiB/s; "
        f"{receiving.SEGMENTS_PER_SECOND:g} new files a second; {receiving.OPEN_LIMIT} files that are not whole, "
        f"{receiving.UNFINISHED_SHARE:.0%} of the room; "
        f"files of {COMING_LIMIT_BYTES >> 20} MiB; {RECEIVED_SHARE:.0%} of `spool_limit_bytes` |"
    )
    assert row.replace("%", " %") in LIMITS
    page = read("config/README.md")
    for said in (
        f"every second while a guard may act, every {SENT_SECONDS:g} s else",
        f"more than {CLOCK_LIMIT_MS // 1000} s off",
        f"cut off for {NODES_GIVE_UP_SECONDS / 86_400:g} days",
    ):
        assert said in page


def test_the_limits_of_targeting_are_those_of_the_code():
    for row in (
        f"| segments of an app | {SEGMENT_LIMIT}, their expressions {SEGMENTS_LIMIT_BYTES // 1024} KiB together |",
        f"| a report in its own bytes | {LEVELS_LIMIT} levels",
        f"| an expression | {EXPRESSION_LIMIT_BYTES // 1024} KiB, {EXPRESSION_LEVELS_LIMIT} levels of parentheses",
        f"| id sets of an app, ids of a set | {ID_SET_LIMIT}, {IDS_LIMIT:,} of {ID_LIMIT} characters |",
        f"| an uploaded list of ids | {IDS_TEXT_LIMIT_BYTES // 2**20} MiB, two at a time |",
        f"| windows of a channel | {WINDOWS_PER_CHANNEL_LIMIT} of {WINDOW_LIMIT} characters |",
        f"| devices whose use is known | {CAPACITY_BEHAVIOURS:,}, 100 MB a million at the most, forgotten {KEPT_DAYS} ",
        f"| names of features of an app that segments can read | {FEATURES_LIMIT} of {FEATURE_NAME_LIMIT} characters |",
        f"| parts of an app's segments that read how devices are used | {PLACES_LIMIT} |",
        f"| arms of an experiment | {ARMS.start} to {ARMS.stop - 1}, experiments of a channel 1 |",
        f"| devices of an experiment that are counted | {TRIAL_DEVICES_LIMIT:,}, ",
        f"| experiments of an app that are kept | the last {EXPERIMENTS_LIMIT}, for {KEPT_TRIAL_DAYS} days "
        f"after their end, with {POINTS_LIMIT_OF_TRIAL} points each |",
        f"| measures of an experiment | {MEASURES_LIMIT}, a device counts within {WITHIN_LIMIT_DAYS} days |",
        f"| an experiment's question | one line of {QUESTION_LIMIT} characters |",
        f"| a spread | {format_duration(SPREAD_LIMIT_SECONDS).removesuffix('d')} days |",
    ):
        assert row in LIMITS


def test_the_other_limits_are_those_of_the_code():
    for row in (
        f"| body of a check, of a report | {BODY_LIMIT_BYTES >> 10} KiB, {STATS_BODY_LIMIT_BYTES >> 20} MiB |",
        f"| body of `/updates/manifest_size` | {MANIFEST_SIZE_BODY_LIMIT_BYTES >> 20} MiB, {STRUCTURE_LIMIT:,} bytes",
        f"| bodies above {LARGE_BYTES >> 10} KiB, per worker | {PREFIX_RATE_KIB} KiB a second of one address, four "
        f"times as much of one /48 or IPv4 /24, five minutes' worth at once; "
        f"{HELD_LIMIT_BYTES >> 20} MiB held at once, {WIDE_HELD_LIMIT_BYTES >> 20} MiB of one /48 or IPv4 /24; "
        f"{READERS} read at once |",
        f"| body of `/events`, events in it | {EVENTS_BODY_LIMIT_BYTES >> 10} KiB, {EVENTS_BATCH_LIMIT} |",
        f"| an app's own event | name {EVENT_NAME_LIMIT} characters; {LABELS_LIMIT} labels, their names "
        f"{LABEL_KEY_LIMIT} and texts {LABEL_TEXT_LIMIT} characters; numbers up to {VALUE_LIMIT:.0e} |",
        f"| outcomes of a request, an outcome's id | {OUTCOMES_BATCH_LIMIT:,}, {OUTCOME_ID_LIMIT} characters |",
        f"| an outcome's time | {PAST_LIMIT_SECONDS // 86_400} days ago at most, "
        f"{AHEAD_LIMIT_SECONDS // 86_400} day ahead |",
        f"| event keys of an app | {EVENT_KEYS_LIMIT} at a time, a former one for at most "
        f"{KEEP_LIMIT_SECONDS // 86_400} days |",
        f"| a body in chunks | {CHUNKS_LIMIT:,} of them, and one more for each KiB |",
        f"| path of a request | {PATH_LIMIT_BYTES >> 10} KiB |",
        f"| time to send a body | {BODY_SECONDS:.0f} s, and beyond that its bytes at {MINIMUM_BODY_BPS // 1000} kbit/s",
        f"| {HEAD_SECONDS:.0f} s, {HEAD_LIMIT_BYTES >> 10} KiB in {FIELDS_LIMIT} fields |",
        f"| {ADDRESS_WAITING_BYTES >> 20} MiB of one address, {WORKER_WAITING_BYTES >> 20} MiB together, beyond 64 KiB "
        f"of each connection; {UNSENT_BYTES >> 10} KiB of each in the kernel |",
        f"| a restart | {START_LIMIT_SECONDS:.0f} s until the new process serves, {TAKE_LIMIT_SECONDS:.0f} s until it",
        f"moves | waits {MOVING_SECONDS:.0f} s, of {QUEUE_LIMIT_CHANGES:,} at once |",
        f"leaves | {LAST_CALL_SECONDS:.0f} s, or `drain_seconds` less {LAST_CALL_SECONDS:.0f} s",
        f"| patches of a bundle | {PATCHES_LIMIT:,}, {PATCHES_TOTAL_BYTES >> 20} MiB together, made within "
        f"{PATCHING_SECONDS:.0f} s from {PATCHED_RELEASES} releases (`--patches`, at most {PATCHED_RELEASES_LIMIT}); "
        f"{APPLIED_LIMIT_BYTES >> 30} GiB with their old and new files |",
        f"| a file that is patched | {LEAST_PATCHED_BYTES >> 10} KiB to {PATCHED_LIMIT_BYTES >> 20} MiB, the new one "
        f"at most {WINDOW_FREE_BYTES >> 20} MiB or 1.25 times the old one |",
        f"| callers of `edge restart` | {CALLERS_LIMIT} at once |",
        f"| a TLS handshake | {HANDSHAKE_SECONDS:.0f} s, {HANDSHAKE_BYTES // 1024} KiB of the peer |",
        f"| TLS records without content | {BARREN_BYTES // 1024} KiB beyond the content",
        f"| zips to iOS that could have files | {IOS_ZIP_LIMIT_BYTES:,} bytes |",
        f"| earlier versions that a bundle is compared with | {VERSIONS_LIMIT}, in {PAIRS_LIMIT:,} pairs of an app |",
        f"| links that a node remembers | {LINKS_LIMIT}, one a day at most, from {LEAST_SAMPLES} samples |",
        f"| networks (/24, /48) whose link counts | once a day, {NETWORKS_LIMIT:,} of them a worker |",
        f"| access log lines that wait | {BUFFER_LINES:,} a worker |",
        f"| connections to the control port | {CONTROL_CONNECTIONS_LIMIT}, of one address {CONTROL_ADDRESS_LIMIT} |",
        f"| connections of a worker | half its descriptors, at most {CONNECTIONS_LIMIT:,} |",
        f"| is handed over every {HAND_OVER_SECONDS:.0f} s, and when it leaves |",
        f"| kinds of checks a worker and hour | {NUMBERS_LIMIT:,}, of one app {KINDS_OF_APP_LIMIT:,} with the words of "
        f"its devices and {FEWER_OF_APP_LIMIT} without |",
        f"| devices that a worker remembers to have told of | {PLACES:,} places |",
        f"| devices that wait to be handed over | {POSTPONING_LIMIT:,} a worker |",
        f"| blobs whose deliveries wait to be handed over | {BLOBS_LIMIT:,} a worker |",
        f"| questions that a worker remembers | {QUESTIONS_LIMIT:,}, each of at most {TEMPLATE_LIMIT_BYTES:,} bytes",
        f"forgets the half that was asked least, every {PERIOD_SECONDS:.0f} s at most",
        f"| answers that stand until the clock's next second | {STANDING_LIMIT_BYTES // 2**20} MiB a worker |",
        f"| questions known to mean nothing certain | {ODD_LIMIT:,} a worker |",
        f"| an overloaded worker | {LATE_SECONDS} s behind",
        f"| {ADDRESS_REQUESTS:,} a minute of one address and app, {DEVICE_REQUESTS} a second of one device and verb |",
        f"notes of one address, per worker; failures also per node | {_at_once(*PREFIX_FACTS)} (`telemetry`) |",
        f"| the same of one app | {_at_once(*APP_FACTS)} (`telemetry`) |",
        f"| as much as {WIDE_SHARE}, and {WIDE_FAILURES_SHARE}, addresses |",
        f"| events remembered to detect duplicates | {REMEMBERED_LIMIT:,} of the last hour |",
        f"| rows, subjects of one answer about figures | {ROWS_LIMIT:,} and {SUBJECTS_LIMIT} |",
        f"| sketches of devices read for one answer | {SKETCHES_LIMIT:,} |",
        f"| 1 minute to {SINCE_MOST // 86_400} days; by the hour {HOUR_DAYS} days |",
        f"bundles at a glance | {LABELS_SHOWN}, {BUNDLES_SHOWN} |",
        f"features or outcomes of one answer | {FAILURES_LIMIT}, {CHANGES_LIMIT}, {NAMES_SHOWN_LIMIT} |",
        f"revisions read for them | {BUNDLES_LIMIT}, {REVISIONS_LIMIT:,} |",
        f"per app and day | all that the app has or had, and {MADE_UP_LIMIT} others |",
        f"| bundles withheld from a device | the latest {WITHHELD_LIMIT} |",
        f"| devices in the register | {DEVICES_KEPT:,}, for {REGISTER_DAYS} days |",
        f"| devices with facts | {CAPACITY_DEVICES:,}, {TABLE_MB_PER_MILLION} MB a million at the limit |",
        f"channel name | {APP_ID_LIMIT}, {VERSION_LIMIT}, {CHANNEL_NAME_LIMIT} characters |",
        f"| a bundle's link, its comment | {LINK_LIMIT:,} and {COMMENT_LIMIT:,} characters |",
        f"| tokens | {TOKEN_LIMIT:,} |",
        f"| a token | {SCOPE_LIMIT} scopes, {NETWORK_LIMIT} networks; after a rotation its former secret works for "
        f"{FORMER_LIMIT_SECONDS // 86_400} days at most, and {ROTATORS_LIMIT} may have rotated it |",
        f"| people, organisations | {PEOPLE_LIMIT:,} people and {GROUP_LIMIT} groups, each with up to {HOLD_LIMIT} "
        f"roles; {ORGANISATION_LIMIT} organisations with {OWNED_APP_LIMIT:,} apps; {OWN_ROLE_LIMIT} own roles |",
        f"| webhooks | {WEBHOOK_LIMIT} |",
        f"| a webhook's address, the apps of its filter | {URL_LIMIT:,} characters, {APPS_LIMIT} |",
        f"| a notice | title {TITLE_LIMIT} characters, text {TEXT_LIMIT:,}, {NOTICE_FIGURES_LIMIT} figures |",
        f"| notices that wait for webhooks | {DELIVERIES_LIMIT:,}, once for each webhook; "
        f"{NOTICES_LIMIT_BYTES >> 20} MiB; {AGE_LIMIT_SECONDS / DAY_SECONDS:.0f} days |",
        f"| notices that are kept once delivered or given up | the latest {RESULTS_KEPT} of a webhook |",
        f"| an attempt to deliver a notice | name {PHASES.resolve:.0f} s, connection and TLS {PHASES.connect:.0f} s, "
        f"silence {PHASES.silence:.0f} s, together {PHASES.total:.0f} s; {ANSWER_LIMIT_BYTES >> 10} KiB and "
        f"{PHASES.body:.0f} s of the answer's body; {AT_ONCE} at once, one of a webhook |",
        f"| waits between attempts | {FIRST_WAIT_SECONDS:.0f} s, doubled up to {LONGEST_WAIT_SECONDS / 3600:.0f} h |",
        f"| lifetime of a token that expires | 1 minute to {LIFETIME_LIMIT_SECONDS // 86_400} days |",
        f"| channels, overrides of an app | {CHANNEL_LIMIT:,}, {OVERRIDE_LIMIT:,} |",
        f"| steps of a rollout | {STEPS_LIMIT}, of 1 minute to {STEP_LIMIT_SECONDS // 86_400} days each |",
        f"| segments of a rollout | {NAMED_LIMIT}, and as many with `--first` |",
        f"| what a guard may be set to | {format_share(MAX_FAILURE_SHARES[0])} to "
        f"{format_share(MAX_FAILURE_SHARES[-1])} of failures; a factor of 1 to {FACTOR_LIMIT:g}; {TESTS_LIMIT} tests; "
        f"{TRUSTED_PREFIXES_LIMIT} trusted networks, "
        f"of /{WIDEST_TRUSTED_BITS[4]} or narrower, "
        f"in IPv6 /{WIDEST_TRUSTED_BITS[6]} to /{NARROWEST_TRUSTED_BITS[6]} |",
        f"| findings that the guard cannot act on | tried every {LOOK_SECONDS:.0f} s, {TRIES_LIMIT} times |",
        f"| what the guard tells | {NOTICES_WAITING_LIMIT:,} notices wait for the disk; those of "
        f"{TOLD_AGAIN_SECONDS / 3_600:.0f} hour before a start are posted again |",
        f"| bundles that a channel can fall back to | the last {EARLIER_LIMIT} |",
        f"| a withdrawal's reason | one line of {REASON_LIMIT} characters |",
        f"| devices of a preview | the newest {DEVICES_LIMIT:,}, from {READ_LIMIT_BYTES >> 20} MiB of the app's "
        f"reports, past {PASSED_LIMIT_BYTES >> 30} GiB of others' |",
        f"| a revision | {REVISION_LIMIT_BYTES >> 20} MiB |",
        f"| files of a bundle | {FILE_COUNT_LIMIT:,}, {PLAIN_LIMIT_BYTES >> 30} GiB together |",
        f"| an upload | {BLOB_LIMIT_BYTES >> 30} GiB a blob |",
        f"| a request for an app that is not loaded | waits {FIRST_ASK_SECONDS:.0f} s, {WAITING_LIMIT:,} at a time",
        f"| older revisions that are looked at for a damaged one | {WALK_LIMIT} |",
        f"| damages that a worker remembers, that `/readyz` names | {DAMAGES_LIMIT:,}, {READYZ_DAMAGES_LIMIT} |",
        f"| a device's wait for the first reading of a blob | {PROOF_WAIT_SECONDS:.0f} s, then 503",
        f"| blobs read at a time to prove them | {READINGS_LIMIT} below {LARGE_BLOB_BYTES >> 20} MiB, and 1",
        f"| the daily scrub of all blobs that releases name | {SCRUB_BYTES_PER_SECOND >> 20} MiB/s, at the lowest",
        f"| rows of the figures | by the minute {MINUTE_SUMS_HOURS} hours, by the hour {HOUR_SUMS_DAYS} days; "
        f"devices not heard of for {DEVICE_DAYS} days; steps of {STEP_BUNDLES} bundles an app |",
        f"| groups and cohorts of devices told apart, per app | {GROUPS_LIMIT:,}, {COHORTS_LIMIT:,}, "
        f"{MADE_UP_COHORTS_LIMIT:,} of them with words that devices made up |",
        f"| devices with rows of their own in the figures, per app | {FIGURE_DEVICES_LIMIT:,}, first come |",
        f"| names of events of an app's own code, of outcomes, per app | {NAMES_LIMIT} each, first come |",
        f"| errors of one device that figures count | {ERRORS_A_DAY} a day |",
        f"that count once | {CUSTOM_IDS_LIMIT:,} an app, {OUTCOMES_LIMIT:,} a node |",
        f"| exports of raw events | {EXPORTS_AT_ONCE} at once, each by a process of its own in some 100 MB; "
        f"a receiver that takes nothing for {STALL_SECONDS:.0f} s is cut |",
        f"| votes of devices on releases under guard | {VOTES_LIMIT:,} of one release, {VOTES_OF_NODE_LIMIT:,} a node, "
        f"on {WATCHES_LIMIT:,} releases at once |",
        f"| reports that wait for the note of an offer | {PENDING_LIMIT:,} of one release and node, "
        f"{PENDING_OF_NETWORK} of a network, for {PENDING_MS // 1000} s |",
        f"| what was known of a release under guard | {STANDING_DAYS} days after its watch ended, the latest "
        f"{ENDED_LIMIT:,} of a node; {POINTS_LIMIT} points of its chart |",
        f"| folds while a guard may act | one begins every {GUARD_SECONDS:.0f} s, else every {FOLD_SECONDS:.0f} s; "
        f"the first within {WATCH_SECONDS:.0f} s of the release |",
        f"| looks at a backlog of events while it is counted | one every {MEANWHILE_SECONDS:.0f} s |",
        f"| compressing counted events after a fold, erasing while a guard may act | {COMPRESS_SECONDS:.0f} s each, "
        "and the segment begun |",
        f"| what pages remember | {ANSWERS_LIMIT:,} answers, for {max(ANSWER_AGES.values()):.0f} s at most; "
        f"{DEVICES_REMEMBERED:,} known devices of all apps, for {DEVICES_AGE:.0f} s; "
        f"{COUNTING_AT_ONCE} questions about counts at once |",
        f"| questions about figures | {QUESTIONS_WAITING_LIMIT} wait at once, {ASKER_WAITING_LIMIT} of one token "
        f"and {PAGE_WAITING_LIMIT} of its pages, "
        f"for {ANSWER_SECONDS:.0f} s each; "
        f"{FIGURE_READERS} are answered at a time |",
        f"| {REMEMBERED_ANSWERS} of at most {REMEMBERED_BYTES // 2**20} MiB each, for {REMEMBERED_SECONDS:.0f} s |",
        f"| rows that wait for ClickHouse | {Telemetry().clickhouse_outbox_bytes >> 30} GiB on disk ",
        f"| inserts that ClickHouse remembers | {REMEMBERED_INSERTS:,} of each table |",
        f"| a question to ClickHouse | {QUESTION_SECONDS} s of execution, {CONNECT_SECONDS} s to connect |",
        f"| damaged blobs that a node names | {QUARANTINE_LIMIT:,} |",
        f"| uploads of a token that no bundle refers to | {Retention().upload_limit_bytes >> 30} GiB "
        f"(`upload_limit_bytes`), each at least {LEAST_BYTES >> 10} KiB | a leaked token must not fill the "
        f"disk; what it left is deleted after "
        f"{HOLD_SECONDS / 3600:.0f} hours |",
        f"| command ids remembered, per app | {RECENT_LIMIT} |",
    ):
        assert row in LIMITS, row


def test_what_a_forger_takes_is_as_stated():
    at_once, hourly = int(PREFIX_FAILURES.at_once), int(PREFIX_FAILURES.per_second * 3_600)
    assert f"takes an offer from {at_once:,} devices at once and from {hourly:,} an hour" in LIMITS


def test_what_can_be_lifted_at_once_is_as_stated():
    assert f"keeps the newest {RECORDS_LIMIT:,} withholdings for this" in LIMITS
    assert f"in turns of\n{LIFT_STEP:,} (" in LIMITS


def _at_once(*allowances):
    sizes, rates = zip(*allowances, strict=True)
    return f"{', '.join(f'{n:,}' for n in sizes)} at once, then {', '.join(f'{n:,}' for n in rates)} a second"


def test_the_proxies_let_the_largest_body_of_a_device_through():
    largest = max(BODY_LIMIT_BYTES, STATS_BODY_LIMIT_BYTES, MANIFEST_SIZE_BODY_LIMIT_BYTES) >> 20
    assert re.findall(r"client_max_body_size (\w+);", read("config/nginx.conf")) == [f"{largest + 1}m"]
    caddy = read("config/Caddyfile")
    assert f"(at most {largest} MiB)" in caddy and not re.search(r"^\s*request_body", caddy, re.MULTILINE)


def test_the_publishers_memory_has_the_limit_of_the_code():
    assert f"`EDGE_CACHE_DIR`; at most {CACHE_LIMIT_BYTES >> 30} GiB, least recently" in read("edge/cli/README.md")


def test_what_a_channel_remembers_has_the_limit_of_the_code():
    assert f"A channel remembers the last {TAKEN_BACK_LIMIT} bundles that it *was rolled back from*" in TARGETING


def test_what_is_loaded_before_anyone_asks_is_what_the_documents_say():
    said = LIMITS.partition("## Many apps")[2].partition("## Damage")[0]
    assert f"It loads the first {EAGER_LIMIT} before it is ready, for at most {EAGER_SECONDS} s" in said
    assert f"The first {KEPT_LIMIT} stay in" in said and PAUSE_SHARE == 4
    assert f"waits, for at most {FIRST_ASK_SECONDS:.0f} s" in said
