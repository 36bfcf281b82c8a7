"""Training data: which photograph, crop and degradation each sample of a run gets.

Everything follows from (seed, number of the sample), so a resumed run goes on with the very
samples that it would have had, and batches can be made ahead by threads and processes.
"""

from toolkit.training.data.batch import Batch
from toolkit.training.data.loading import batches
from toolkit.training.data.pairs import Pairs

__all__ = ["Batch", "Pairs", "batches"]
