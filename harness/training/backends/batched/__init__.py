"""All folds of a configuration trained as one batched model: how that works, end to end.

What a small model costs is mostly Python: modules, operators, the optimizer's loop over tensors.
Folds of one configuration do the same with other numbers, so here they do it together.

1. `support.obstacle` looks for what a batched model has no place for: hooks, methods of a module's
   own, shared memory, gradients that are asked for. A step must change nothing but parameters and
   buffers: `side_effects` compares attributes, globals, closures and generators before and after.
2. `model_ensemble.stack_of` stacks the folds' parameters and buffers to (folds, *shape); each
   fold's own model becomes a view of its slice, so that validation, checkpoints and layer
   statistics read what training has made of it. `model_ensemble.call` runs one template under
   `torch.func.vmap`.
3. `operators` puts operators in a form that stacks to the same numbers: dropout takes masks that
   every fold draws from a generator of its own, in attention the folds join the batch.
4. `loop_comparison.other_training` takes a few steps in both ways, in float64 where the model
   allows it, and compares logits, gradients, weights, buffers and the optimizer's state. Only a
   shape of models whose steps are alike is batched; a trial that trains longer than anybody has
   compared compares its own epochs (`loop_comparison.compare_epoch`), and begins anew in the loop
   where they differ.
5. `vectorized` is the back end: it draws each fold's batches and masks, takes the step, clips each
   fold's gradients alone, and lets one optimizer of elementwise updates step over the stack.
6. `step_recording` makes the step cheap: it records the operations of one, takes every view once,
   and plays them back as a function that `torch.fx` wrote. A step that depends on values is not
   recorded; one that plays otherwise than it was recorded is not played.

Whether all of this is worth it for a shape is measured once (`selection`).
"""
