"""Imported by the server that forks worker processes, once and before it forks any, and by nothing
else: what is set here holds in that server and its workers.
"""

import warnings

# Workers read and write no table, so what LanceDB says of a fork does not concern them.
warnings.filterwarnings("ignore", message="lancedb fork support", category=RuntimeWarning)
