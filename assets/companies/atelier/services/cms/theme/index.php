<!doctype html>
<html <?php language_attributes(); ?>>
<head><meta charset="utf-8"><link rel="stylesheet" href="<?php echo esc_url(get_stylesheet_uri()); ?>"><?php wp_head(); ?></head>
<body>
<h1><a href="<?php echo esc_url(home_url('/')); ?>"><?php bloginfo('name'); ?></a></h1>
<?php while (have_posts()) { the_post(); ?>
<article><h2><a href="<?php the_permalink(); ?>"><?php the_title(); ?></a></h2><?php the_post_thumbnail('large'); the_content(); ?></article>
<?php } wp_footer(); ?>
</body>
</html>
