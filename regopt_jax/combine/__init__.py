"""Transformations made of others: chains, masks, partitions, and the selectors they use."""

from regopt_jax.combine.chain import chain as chain
from regopt_jax.combine.choices import Mask as Mask
from regopt_jax.combine.masked import masked as masked
from regopt_jax.combine.partition import partition as partition
from regopt_jax.combine.select import Selector as Selector, select as select
