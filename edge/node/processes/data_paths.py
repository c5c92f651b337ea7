"""Where everything is in a node's data directory. Imports nothing that a command's help would wait for."""

from pathlib import Path


class DataPaths:
    """Where everything is in a data directory; opens nothing."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.store_dir = data_dir / "store"
        self.node_dir = data_dir / "node"  # not part of the truth: this node's own key, telemetry and facts
        self.spool_dir = self.node_dir / "telemetry" / "spool"
        self.sharing_dir = self.node_dir / "sharing"  # what all nodes are to know of devices, by their names
        self.behaviour_news_dir = self.sharing_dir / "behaviour"
        self.facts_dir = self.node_dir / "telemetry" / "facts"
        self.mirror_memory = self.node_dir / "mirror"  # what was seen of the mirror, where the truth is a bucket
        self.proofs_path = self.node_dir / "proofs.sqlite"  # a cache: which files were read and found right
        self.proofs_heard_file = self.node_dir / "heard.json"  # of a node that follows: how old its view is
        self.links_file = self.node_dir / "links.json"  # what was observed of links, which forms of bundles follow from
        self.uploads_file = self.node_dir / "uploads"  # what tokens uploaded and no bundle refers to yet
        self.nodes_file = self.node_dir / "nodes.json"  # which nodes report here, each by which token
        self.reports_file = self.node_dir / "reports.json"  # until when all reports of each of them are here
        self.sent_file = self.node_dir / "sent.json"  # which of this node's reports are at its home
        self.heard_file = self.node_dir / "nodes.heard.json"  # what they said last
        self.drops_dir = self.node_dir / "drops"  # zips from the page that are being packed; emptied at each start
        self.counts_database = self.node_dir / "telemetry" / "counts.sqlite"
        self.behaviour_table = self.node_dir / "telemetry" / "behaviour.table"  # made again from the counts
        self.outbox_dir = self.node_dir / "telemetry" / "outbox"  # what ClickHouse does not have yet
        self.push_outbox = self.node_dir / "push" / "outbox.sqlite"  # messages to devices, and what became of them
        self.erasures_dir = self.node_dir / "telemetry" / "erasures"  # devices that are being erased
        self.own_dirs = self.node_dir, self.node_dir / "telemetry", self.spool_dir, self.facts_dir
